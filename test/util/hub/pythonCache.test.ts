import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { HubRepo } from '../../../util/hub/hubReference';
import { hubSnapshot } from '../../../util/hub/hubSnapshot';
import { hubServer } from './hubServer';

/** A Python with huggingface_hub: the test server must be a hub to it too, and the cache the same. */
const python = process.env.DPO_ORACLE_PYTHON;
const commit = createHash('sha1').update('commit').digest('hex');
const files = { 'config.json': Buffer.from('{}'), 'model.safetensors': Buffer.alloc(5000, 7), 'sub/more.txt': Buffer.from('more') };
const repo: HubRepo = { kind: 'model', name: 'o/m', revision: 'main' };
const root = mkdtempSync(join(tmpdir(), 'python-cache-'));
let server: Awaited<ReturnType<typeof hubServer>>;

beforeAll(async () => {
  server = await hubServer([
    { kind: 'model', name: 'o/m', revisions: { main: commit }, files: { [commit]: files }, lfs: ['model.safetensors'], token: 'hf_right' },
  ]);
});
afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

const ours = (cacheFolder: string, offline = false): Promise<string> =>
  hubSnapshot(repo, (paths) => paths, {
    ...{ progress: () => {}, say: () => {} },
    settings: { endpoint: server.endpoint, token: 'hf_right', cacheFolder, offline },
  });

async function theirs(cacheFolder: string, offline = false): Promise<string> {
  const code = `from huggingface_hub import snapshot_download; print(snapshot_download("o/m", cache_dir="${cacheFolder}", local_files_only=${offline ? 'True' : 'False'}))`;
  const env = {
    ...process.env,
    HF_ENDPOINT: server.endpoint,
    HF_TOKEN: 'hf_right',
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
  };
  const { stdout } = await promisify(execFile)(python!, ['-c', code], { env });
  return stdout.trim();
}

const contentAsked = (from: number): string[] => server.requests.slice(from).filter((path) => /resolve-cache|cdn/.test(path));

(python === undefined ? test.skip : test)(
  'what either downloads the other finds, online and offline (set DPO_ORACLE_PYTHON to a Python with huggingface_hub)',
  async () => {
    const [first, second] = [join(root, 'ours first'), join(root, 'theirs first')];
    const path = await ours(first);
    let asked = server.requests.length;
    expect(await theirs(first, true)).toBe(path);
    expect(server.requests.length).toBe(asked);
    expect(await theirs(first)).toBe(path);
    expect(contentAsked(asked).filter((request) => request.includes('cdn'))).toEqual([]);

    const other = await theirs(second);
    expect(other).toBe(join(second, 'models--o--m', 'snapshots', commit));
    asked = server.requests.length;
    expect(await ours(second, true)).toBe(other);
    expect(await ours(second)).toBe(other);
    expect(contentAsked(asked)).toEqual([]);
  },
  60_000,
);
