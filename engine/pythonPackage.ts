import { spawnSync } from 'node:child_process';

/** The folder of the package that `python3` would import under this name, found without importing it (an import takes seconds). */
export function pythonPackageFolder(name: string): string | undefined {
  const script = `import importlib.util as u; s = u.find_spec('${name}'); print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')`;
  // -I would hide a user's site-packages; the script's own folder is kept off the path by running from /
  const found = spawnSync('python3', ['-c', script], { encoding: 'utf8', cwd: '/', env: process.env, timeout: 30_000 });
  return (found.status === 0 && found.stdout.trim()) || undefined;
}
