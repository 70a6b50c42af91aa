# Sourced by the other scripts from the top of the checkout: makes .venv and installs the package into it, with extra
# `all`. EXTRA names further extras of pyproject.toml (test, docs, jax, gpu; separated by commas); PYTHON the
# interpreter, 3.11 or later; VENV another folder than .venv.

EXTRA=${EXTRA:-}
VENV=${VENV:-.venv}
python=$VENV/bin/python
stamp=$VENV/installed${EXTRA:+-$EXTRA}

if [ ! -x "$python" ]; then
  echo "making $VENV"
  "${PYTHON:-python3}" -m venv "$VENV"
fi
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
  echo "installing the package and what it needs into $VENV"
  "$python" -m pip install --quiet --disable-pip-version-check --editable ".[all${EXTRA:+,$EXTRA}]"
  touch "$stamp"
fi
