import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildGraphs, graphsPath } from '../../../engine/torch/build';
import { cudaHeaders } from '../../../engine/torch/cudaHeaders';
import type { Torch } from '../../../engine/torch/locate';
import { silent } from '../../../util/progress';

const torchIn = (site: string): Torch => ({
  ...{ folder: join(site, 'torch'), version: '2.13.0', cuda: true, cudaVersion: '97.1', source: 'DPO_TORCH', notices: [] },
});
const site = (): string => mkdtempSync(join(tmpdir(), 'headers-'));

function headers(folder: string, version: number, whole = true): string {
  for (const file of ['cuda_runtime_api.h', ...(whole ? ['crt/host_defines.h'] : [])]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `#define CUDART_VERSION  ${version}\n`);
  }
  return folder;
}

test('headers are found in a toolkit, or in what pip put beside torch', () => {
  const home = site();
  headers(join(home, 'include'), 97000);
  expect(cudaHeaders(torchIn(site()), { CUDA_HOME: home })).toEqual({ folder: join(home, 'include') });
  expect(cudaHeaders(torchIn(site()), { CUDA_PATH: home })).toEqual({ folder: join(home, 'include') });
  for (const place of ['nvidia/cu97/include', 'nvidia/cuda_runtime/include', 'triton/backends/nvidia/include']) {
    const packages = site();
    headers(join(packages, place), 97020);
    expect(cudaHeaders(torchIn(packages), {})).toEqual({ folder: join(packages, place) });
  }
});

test('half a set, or one of another CUDA, is passed over', () => {
  const packages = site();
  headers(join(packages, 'nvidia/cu97/include'), 97000, false);
  headers(join(packages, 'triton/backends/nvidia/include'), 96090);
  expect(cudaHeaders(torchIn(packages), {})).toEqual({ missing: expect.stringMatching(/^no headers of CUDA 97 found .* CUDA_HOME/) });
});

test('without CUDA, headers or a build there is a reason', async () => {
  const torch = torchIn(site());
  expect(graphsPath({ ...torch, cuda: false })).toEqual({ missing: 'this torch is built for CPUs alone' });
  expect(await buildGraphs({ ...torch, cuda: false }, silent)).toEqual({ missing: 'this torch is built for CPUs alone' });
  expect(graphsPath(torch)).toEqual({ missing: expect.stringContaining('no headers of CUDA 97') });
  headers(join(dirname(torch.folder), 'nvidia/cu97/include'), 97000);
  expect(graphsPath(torch)).toEqual({ missing: expect.stringContaining('not built: run `npm run build`') });
});
