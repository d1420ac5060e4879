import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { graphsPath } from '../../../engine/torch/build';
import { cudaHeaders } from '../../../engine/torch/cudaHeaders';
import { findTorch } from '../../../engine/torch/locate';

const { torch } = findTorch();
const headers = torch?.cuda ? cudaHeaders(torch) : { missing: 'no CUDA' };
// where torch is built for CUDA, with or without a card; dist/ must be built for that torch
const withCuda = torch && 'folder' in headers && 'path' in graphsPath(torch) ? describe : describe.skip;
const models = ['bloom', 'cohere', 'gemma2', 'gemma3-text', 'gpt-neox', 'gpt2', 'llama', 'mistral', 'qwen2', 'qwen3'];
const folder = mkdtempSync(join(tmpdir(), 'fake-cuda-'));
const library = join(folder, 'fakeCuda.so');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

withCuda("torch's CUDA on a run-time that launches nothing", () => {
  beforeAll(() => {
    const source = join(__dirname, 'fakeCuda.c');
    const include = 'folder' in headers ? headers.folder : '';
    const options = ['-x', 'c', '-w', '-shared', '-fPIC', '-Wl,-soname,libcuda.so.1', `-I${include}`, source, '-o', library, '-lpthread'];
    const { status, stderr } = spawnSync(process.env.CXX ?? 'g++', options, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test.each(['float32', 'bf16'])(
    "recordings begin, break off, end and are launched in any order, and every model's step is recorded: %s",
    (precision) => {
      const env = { ...process.env, LD_PRELOAD: library };
      const { stdout, stderr } = spawnSync(process.execPath, [join(__dirname, 'fakeCudaSteps.js'), precision, ...models], {
        encoding: 'utf8',
        env,
      });
      const last = stdout.trim().split('\n').at(-1);
      const refused = expect.stringMatching(/captur/) as string;
      expect(last && (JSON.parse(last) as object)).toEqual({
        ...{ beside: refused, alone: refused, afterwards: 'done' },
        ...Object.fromEntries(models.map((model) => [model, 'done'])),
      });
      // both recordings that read from the device, and nothing else
      expect(stderr.match(/capture broken by .*Synchronize/g)?.length).toBe(2);
      expect(stderr).not.toContain('stream\n');
    },
  );
});
