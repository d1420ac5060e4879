import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where a Python package was found: the folder that a variable names, what `python3` imports, or the one that set-up installed. */
export type PackageSource<Variable extends string> = Variable | 'python3' | 'private';

/**
 * Looks for a Python package that an engine can be built against: in the folder that an environment variable names (site-packages or the
 * package's folder itself), in the one that `python3` would import, in the one that set-up installed, in this order.
 * @param privateSite where set-up installs it: a folder that then holds the package's
 * @param inspect what the package's folder holds; a string says why it cannot be used, and it is passed over
 * @returns the first that can be used, if any, and a line for each that was passed over
 */
export function findPythonPackage<Found, Variable extends string>(
  name: string,
  variable: Variable,
  privateSite: string,
  inspect: (folder: string, source: PackageSource<Variable>) => Found | string,
): { found?: Found; notices: string[] } {
  const within = (site: string): string | undefined => [join(site, name)].find(existsSync);
  const named = process.env[variable];
  const candidates: [PackageSource<Variable>, () => string | undefined][] = [
    [variable, () => (named ? (within(named) ?? resolve(named)) : undefined)],
    ['python3', () => importedPackageFolder(name)],
    ['private', () => within(privateSite)],
  ];
  const notices: string[] = [];
  for (const [source, folderOf] of candidates) {
    const folder = folderOf();
    if (folder === undefined) continue;
    const found = inspect(resolve(folder), source);
    if (typeof found !== 'string') return { found, notices };
    notices.push(`passed over (${source}): ${found}`);
  }
  return { notices };
}

/** The folder of the package that `python3` would import under this name, found without importing it (an import takes seconds). */
function importedPackageFolder(name: string): string | undefined {
  const script = `import importlib.util as u; s = u.find_spec('${name}'); print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')`;
  // -I would hide a user's site-packages; the script's own folder is kept off the path by running from /
  const found = spawnSync('python3', ['-c', script], { encoding: 'utf8', cwd: '/', env: process.env, timeout: 30_000 });
  return (found.status === 0 && found.stdout.trim()) || undefined;
}
