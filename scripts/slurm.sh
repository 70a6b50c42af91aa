#!/bin/bash
# Starts a Ray cluster on the nodes of a SLURM job, one process of Ray a node, and runs a kaleido command on it.
# usage: sbatch --nodes 4 --ntasks-per-node 1 --exclusive --no-kill scripts/slurm.sh prepare OPTIONS
# (`--cluster auto` is added to the options). The catalogue, OUT and the environment must be
# on a disk that all nodes see. PYTHON names the interpreter, with the extra `cluster`; PORT another port than 6379.
set -eu
: "${SLURM_JOB_NODELIST:?is not set: start this script by sbatch, or in a shell of salloc}"
[ $# -gt 0 ] || { echo "usage: sbatch --nodes N --ntasks-per-node 1 scripts/slurm.sh prepare OPTIONS" >&2; exit 2; }
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi
port=${PORT:-6379}
export RAY_USAGE_STATS_ENABLED=0
# Ray runs what it is sent: only the processes of this job know its token (Ray 2.52 and later).
RAY_AUTH_TOKEN=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
# Nodes with other work, or a slow disk, may need longer than Ray's minute to start a process.
export RAY_worker_register_timeout_seconds=600 RAY_agent_register_timeout_ms=600000

ray() { "$python" -m ray.scripts.scripts "$@"; }
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_ADDRESS="$head:$port"

# One step of the job holds Ray on every node; the command runs here, on the first, and the step ends with it. A node
# that is lost takes no other with it.
trap 'kill "$nodes" 2>/dev/null || true; wait' EXIT
srun --nodes "$SLURM_JOB_NUM_NODES" --ntasks "$SLURM_JOB_NUM_NODES" --overlap \
  --no-kill --kill-on-bad-exit=0 bash -c '
  cpus=${SLURM_CPUS_ON_NODE:+--num-cpus=$SLURM_CPUS_ON_NODE}
  if [ "$SLURM_PROCID" = 0 ]; then
    exec "$1" -m ray.scripts.scripts start --block --head --port "$2" $cpus
  fi
  until "$1" -m ray.scripts.scripts health-check --address "$RAY_ADDRESS" >/dev/null 2>&1; do sleep 2; done
  exec "$1" -m ray.scripts.scripts start --block --address "$RAY_ADDRESS" $cpus
' ray "$python" "$port" &
nodes=$!

for _ in $(seq 60); do
  ray health-check --address "$RAY_ADDRESS" >/dev/null 2>&1 && break
  kill -0 "$nodes" 2>/dev/null || { echo "Ray has not started on the nodes; see the messages above" >&2; exit 1; }
  sleep 2
done
"$python" -m kaleido "$@" --cluster auto
