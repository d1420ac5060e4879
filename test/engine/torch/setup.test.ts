import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildBinding, bindingPath } from '../../../engine/torch/build';
import { findTorch, locateTorch } from '../../../engine/torch/locate';
import { silent } from '../../../util/progress';

let folder: string;
const before = { ...process.env };

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'dpo-torch-')));
  delete process.env.DPO_TORCH;
  // no python3, and a cache that holds nothing
  process.env.PATH = folder;
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
});

afterEach(() => {
  process.env = { ...before };
  rmSync(folder, { recursive: true, force: true });
});

/** As much of an installed torch as is looked at. */
function fakeTorch(site: string, version: string, cuda = false): string {
  const torch = join(site, 'torch');
  for (const made of ['lib', 'include/ATen']) mkdirSync(join(torch, made), { recursive: true });
  writeFileSync(join(torch, 'version.py'), `from typing import Optional\n__version__ = '${version}'\ndebug = False\n`);
  for (const file of ['lib/libtorch_cpu.so', 'include/ATen/ATen.h', ...(cuda ? ['lib/libtorch_cuda.so'] : [])])
    writeFileSync(join(torch, file), '');
  return torch;
}

describe('locateTorch', () => {
  test.each([['the folder that holds torch'], ['the torch folder itself']])('DPO_TORCH names %s', (which) => {
    const torch = fakeTorch(join(folder, 'site'), '2.11.0+cu130', true);
    process.env.DPO_TORCH = which.includes('itself') ? torch : join(folder, 'site');
    expect(locateTorch()).toEqual({ folder: torch, version: '2.11.0+cu130', cuda: true, source: 'DPO_TORCH', notices: [] });
  });

  test('an older torch is passed over, and a line says so', () => {
    process.env.DPO_TORCH = fakeTorch(join(folder, 'site'), '2.10.0');
    const own = fakeTorch(join(folder, 'cache/dpo-trainer/torch-env'), '2.13.0+cpu');
    const found = locateTorch();
    expect(found).toMatchObject({ folder: own, version: '2.13.0+cpu', cuda: false, source: 'private' });
    expect(found.notices).toEqual([expect.stringMatching(/^passed over \(DPO_TORCH\): torch 2\.10\.0 in .* is older than 2\.11$/)]);
  });

  test('python3 names the torch that it would import', () => {
    const torch = fakeTorch(join(folder, 'site'), '2.12.0');
    writeFileSync(join(folder, 'python3'), `#!/bin/sh\necho '${torch}'\n`, { mode: 0o755 });
    expect(locateTorch()).toMatchObject({ folder: torch, version: '2.12.0', source: 'python3' });
  });

  test('a torch without its headers is passed over', () => {
    const torch = fakeTorch(join(folder, 'site'), '2.13.0');
    rmSync(join(torch, 'include'), { recursive: true });
    process.env.DPO_TORCH = torch;
    expect(findTorch()).toEqual({ notices: [expect.stringContaining('lacks include/ATen/ATen.h')] });
  });

  test('none: one line that says what to do', () => {
    expect(() => locateTorch()).toThrow(
      'no torch to run on: run `npm run build`, which installs one, or set DPO_TORCH to a folder that holds it',
    );
  });

  test('an installation that was cut off is none', () => {
    fakeTorch(join(folder, 'cache/dpo-trainer/torch-env.partial-123'), '2.13.0');
    expect(findTorch().torch).toBeUndefined();
  });
});

describe('buildBinding', () => {
  const fake = (): ReturnType<typeof locateTorch> => {
    process.env.DPO_TORCH = fakeTorch(join(folder, 'site'), '2.13.0');
    return locateTorch();
  };

  test('not built: the error says how', () => {
    expect(() => bindingPath(fake())).toThrow(/is not built for torch 2\.13\.0 in .*: run `npm run build`$/);
  });

  test('no compiler: one line that says what to install', async () => {
    process.env.CXX = 'no-such-compiler';
    await expect(buildBinding(fake(), silent)).rejects.toThrow(/^no C\+\+ compiler: no-such-compiler does not run; install one/);
  });

  test("a compiler's error is shown with its command, and leaves nothing behind", async () => {
    process.env.PATH = before.PATH;
    const source = join(folder, 'bad.cc');
    writeFileSync(source, 'int x = undeclared;\n');
    const error = await buildBinding(fake(), silent, source).catch((reason: Error) => reason);
    expect(error).toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(/did not compile:\n.*undeclared[^]*the command was: .*bad\.cc/),
    });
  });

  test('builds once', async () => {
    process.env.PATH = before.PATH;
    const torch = fake();
    for (const library of ['torch', 'torch_cpu', 'c10']) writeFileSync(join(torch.folder, 'lib', `lib${library}.so`), 'SEARCH_DIR(/)');
    const source = join(folder, 'good.cc');
    writeFileSync(source, 'extern "C" int answer() { return 42; }\n');
    const reports: number[] = [];
    const built = await buildBinding(torch, ({ done }) => reports.push(done), source);
    try {
      expect(existsSync(built)).toBe(true);
      expect(reports).toEqual([0, 1]);
      expect(await buildBinding(torch, ({ done }) => reports.push(done), source)).toBe(built);
      expect(reports).toEqual([0, 1]);
    } finally {
      rmSync(built, { force: true });
    }
  });
});
