# Sourced by the other scripts from the top of the checkout: makes .venv and installs the package into it.
# EXTRA names an extra of setup.py to install besides (test, jax, gpu); PYTHON the interpreter, 3.11 or later.

EXTRA=${EXTRA:-}
python=.venv/bin/python
stamp=.venv/installed${EXTRA:+-$EXTRA}

if [ ! -x "$python" ]; then
  echo "making .venv"
  "${PYTHON:-python3}" -m venv .venv
fi
if [ ! -f "$stamp" ] || [ setup.py -nt "$stamp" ]; then
  echo "installing the package and what it needs into .venv"
  "$python" -m pip install --quiet --disable-pip-version-check --editable ".${EXTRA:+[$EXTRA]}"
  touch "$stamp"
fi
