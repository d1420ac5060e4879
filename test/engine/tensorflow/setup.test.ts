import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startEngine } from '../../../engine/startEngine';
import { buildTensorflowAddon, missingTensorflow, officialAddon, tensorflowAddon } from '../../../engine/tensorflow/build';
import { installTensorflow } from '../../../engine/tensorflow/install';
import { findTensorflow, locateTensorflow } from '../../../engine/tensorflow/locate';
import { silent } from '../../../util/progress';

let folder: string;
const before = { ...process.env };

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'dpo-tensorflow-')));
  delete process.env.DPO_TENSORFLOW;
  // no python3, and a cache that holds nothing
  process.env.PATH = folder;
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
});

afterEach(() => {
  process.env = { ...before };
  rmSync(folder, { recursive: true, force: true });
});

/** As much of an installed tensorflow as is looked at. */
function fake(site: string, distribution = 'tensorflow_cpu-2.21.0'): string {
  const tensorflow = join(site, 'tensorflow');
  mkdirSync(join(tensorflow, 'include/tensorflow/c/eager'), { recursive: true });
  mkdirSync(join(site, `${distribution}.dist-info`), { recursive: true });
  for (const file of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2', 'include/tensorflow/c/eager/c_api.h'])
    writeFileSync(join(tensorflow, file), '');
  return tensorflow;
}

describe('where tensorflow is found', () => {
  test.each(['the folder that holds tensorflow', 'the tensorflow folder itself'])('DPO_TENSORFLOW names %s', (which) => {
    const tensorflow = fake(join(folder, 'site'), 'tensorflow-2.20.1');
    process.env.DPO_TENSORFLOW = which.includes('itself') ? tensorflow : dirname(tensorflow);
    expect(locateTensorflow()).toEqual({ folder: tensorflow, version: '2.20.1', source: 'DPO_TENSORFLOW' });
  });

  test('python3 names the one that it would import; the private one comes last', () => {
    const own = fake(join(folder, 'cache/dpo-trainer/tensorflow-env'));
    expect(locateTensorflow()).toEqual({ folder: own, version: '2.21.0', source: 'private' });
    const imported = fake(join(folder, 'site'));
    writeFileSync(join(folder, 'python3'), `#!/bin/sh\necho '${imported}'\n`, { mode: 0o755 });
    expect(locateTensorflow()).toMatchObject({ folder: imported, source: 'python3' });
  });

  test('one without its libraries is passed over, and a line says so', () => {
    process.env.DPO_TENSORFLOW = fake(join(folder, 'site'));
    rmSync(join(process.env.DPO_TENSORFLOW, 'libtensorflow_cc.so.2'));
    expect(findTensorflow()).toEqual({
      notices: [`passed over (DPO_TENSORFLOW): ${process.env.DPO_TENSORFLOW} lacks libtensorflow_cc.so.2`],
    });
    process.env.DPO_TENSORFLOW = join(folder, 'nowhere');
    expect(() => locateTensorflow()).toThrow(
      /^passed over \(DPO_TENSORFLOW\): .*nowhere lacks .*; no tensorflow to run on: `npm run setup/,
    );
  });

  test('none: one line that says what to do', async () => {
    const message =
      'no tensorflow to run on: `npm run setup -- --engine tensorflow` installs one, DPO_TENSORFLOW names a folder that holds one';
    expect(() => locateTensorflow()).toThrow(message);
    expect(missingTensorflow()).toBe('no tensorflow found');
    await expect(startEngine({ engine: 'tensorflow', device: 'cpu', precision: 'float32' })).rejects.toThrow(message);
  });
});

test('an addon that the package brought is taken as it is', () => {
  expect(officialAddon(folder)).toBeUndefined();
  mkdirSync(join(folder, 'lib/napi-v8'), { recursive: true });
  expect(officialAddon(folder)).toBeUndefined();
  writeFileSync(join(folder, 'lib/napi-v8/tfjs_binding.node'), '');
  expect(officialAddon(folder)).toBe(join(folder, 'lib/napi-v8/tfjs_binding.node'));
});

test('not built: the error says how, and so does a missing compiler', async () => {
  process.env.DPO_TENSORFLOW = fake(join(folder, 'site'));
  expect(() => tensorflowAddon()).toThrow(
    /^the tensorflow engine is not built for tensorflow 2\.21\.0 in .*: run `npm run setup -- --engine tensorflow`$/,
  );
  expect(missingTensorflow()).toBe('not built for the tensorflow 2.21.0 that is here');
  process.env.CXX = 'no-such-compiler';
  await expect(buildTensorflowAddon(locateTensorflow(), silent)).rejects.toThrow(/^no C\+\+ compiler: no-such-compiler does not run/);
});

describe('installing', () => {
  const python = (pip: string): void => {
    const script = `#!/bin/sh\ncase "$*" in\n*--version) exit 0;;\n*"pip install"*) ${pip};;\n*) echo;;\nesac\n`;
    writeFileSync(join(folder, 'python3'), script, { mode: 0o755 });
  };

  test('without python3, or with an index that has none: one line', async () => {
    await expect(installTensorflow(silent)).rejects.toThrow(/^python3 is missing: .* or set DPO_TENSORFLOW$/);
    python('echo "ERROR: No matching distribution found" >&2; exit 1');
    await expect(installTensorflow(silent)).rejects.toThrow(
      'pip could not install tensorflow 2.21.0: No matching distribution found; install it yourself, or set DPO_TENSORFLOW',
    );
  });

  test('what pip made is found', async () => {
    const made = fake(join(folder, 'made'));
    // --target is the fourth argument's value
    python(`shift 4; PATH=${before.PATH} cp -r ${dirname(made)} "$1"`);
    const { folder: found, source } = await installTensorflow(silent);
    expect([found, source]).toEqual([join(folder, 'cache/dpo-trainer/tensorflow-env/tensorflow'), 'private']);
  });
});

test.each([{ device: 'gpu' }, { precision: 'bf16' as const }])('what the engine does not know is refused: %j', async (more) => {
  await expect(startEngine({ engine: 'tensorflow', device: 'cpu', precision: 'float32', ...more })).rejects.toThrow(
    /^--(device gpu|precision bf16): /,
  );
});
