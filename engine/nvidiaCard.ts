import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Whether this machine has an NVIDIA card that its driver shows. */
export function hasNvidiaCard(): boolean {
  if (existsSync('/dev/nvidia0')) return true;
  const listed = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8', timeout: 10_000 });
  return listed.status === 0 && /^GPU /m.test(listed.stdout);
}
