import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HubSettings } from '../../../util/hub/hubClient';
import type { HubRepo } from '../../../util/hub/hubReference';
import { hubSnapshot } from '../../../util/hub/hubSnapshot';
import { hubServer, type ServedRepo } from './hubServer';

const first = 'a'.repeat(40);
const second = 'b'.repeat(40);
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255));
const sha256 = createHash('sha256').update(weights).digest('hex');
const config = Buffer.from('{"model_type": "gpt2"}');
const files = { 'config.json': config, 'empty.txt': Buffer.alloc(0), 'model.safetensors': weights, 'onnx/model.onnx': Buffer.from('no') };

const served: ServedRepo = {
  kind: 'model',
  name: 'some-body/tiny.model',
  revisions: { main: first, 'v2.0': second },
  files: { [first]: files, [second]: { ...files, 'config.json': Buffer.from('{}') } },
  lfs: ['model.safetensors'],
};
const secret: ServedRepo = { ...served, name: 'some-body/secret', token: 'hf_right' };
const repo: HubRepo = { kind: 'model', name: served.name, revision: 'main' };

let server: Awaited<ReturnType<typeof hubServer>>;
let settings: HubSettings;
let said: string[];
const choose = (paths: readonly string[]): string[] => paths.filter((path) => !path.startsWith('onnx/'));
const snapshot = (which: HubRepo = repo, more: Partial<HubSettings> = {}): Promise<string> =>
  hubSnapshot(which, choose, { progress: () => {}, say: (line) => said.push(line), settings: { ...settings, ...more }, patience: 1 });

beforeEach(async () => {
  said = [];
  server = await hubServer([served, secret]);
  settings = { endpoint: server.endpoint, offline: false, cacheFolder: mkdtempSync(join(tmpdir(), 'hub-cache-')) };
});
afterEach(() => server.close());

const folder = (): string => join(settings.cacheFolder, 'models--some-body--tiny.model');

test('lays the files out as huggingface_hub does, and asks for no content the second time', async () => {
  const path = await snapshot();
  expect(path).toBe(join(folder(), 'snapshots', first));
  expect(readdirSync(path).sort()).toEqual(['config.json', 'empty.txt', 'model.safetensors']);
  expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
  expect(readlinkSync(join(path, 'model.safetensors'))).toBe(`../../blobs/${sha256}`);
  // the empty file's name is the well-known one of git
  expect(readlinkSync(join(path, 'config.json'))).toBe(`../../blobs/${gitSha1(config)}`);
  expect(readlinkSync(join(path, 'empty.txt'))).toBe('../../blobs/e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
  expect(readFileSync(join(folder(), 'refs', 'main'), 'utf8')).toBe(first);
  const asked = server.requests.length;
  await snapshot();
  expect(server.requests.slice(asked).filter((request) => /resolve|cdn/.test(request))).toEqual([]);
});

const gitSha1 = (bytes: Buffer): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

test('another revision shares the files that are the same', async () => {
  await snapshot();
  const asked = server.requests.length;
  const path = await snapshot({ ...repo, revision: 'v2.0' });
  expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe('{}');
  expect(server.requests.slice(asked).filter((request) => request.includes('/cdn/'))).toEqual([]);
  expect(readdirSync(join(folder(), 'refs')).sort()).toEqual(['main', 'v2.0']);
});

test('a cut connection is taken up where it broke', async () => {
  server.faults.cut = [Infinity, Infinity, 100_000, 50_000];
  const path = await snapshot();
  expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
  expect(server.requests.filter((request) => request.startsWith('/cdn/')).map((request) => request.split(' ')[1])).toEqual([
    undefined,
    'bytes=100000-',
    'bytes=150000-',
  ]);
});

test('a download that an earlier run left goes on; a server that ignores ranges starts it over', async () => {
  const partial = join(folder(), 'blobs', `${sha256}.incomplete`);
  mkdirSync(join(folder(), 'blobs'), { recursive: true });
  writeFileSync(partial, weights.subarray(0, 12_345));
  await snapshot();
  expect(server.requests).toContain(`/cdn/model/some-body/tiny.model/${first}/model.safetensors bytes=12345-`);
  settings = { ...settings, cacheFolder: mkdtempSync(join(tmpdir(), 'hub-cache-')) };
  server.faults.ignoreRanges = true;
  server.faults.cut = [Infinity, Infinity, 100_000];
  const path = await snapshot();
  expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
});

test('a connection that never brings anything is given up with what has arrived kept', async () => {
  server.faults.cut = [Infinity, Infinity, 1000, 0, 0, 0, 0, 0, 0];
  await expect(snapshot()).rejects.toThrow(/cannot download model\.safetensors: .*; what has arrived is kept: run the command again/s);
  expect(readFileSync(join(folder(), 'blobs', `${sha256}.incomplete`)).length).toBe(1000);
  server.faults.cut = [];
  await snapshot();
});

test('a wrong checksum is named with both sums, and nothing of it stays', async () => {
  server.faults.corrupt = true;
  await expect(snapshot()).rejects.toThrow(
    new RegExp(
      `config\\.json from http://127.0.0.1:\\d+ has git-sha1 [0-9a-f]{40}; ${gitSha1(config)} is expected\\. The download was deleted`,
    ),
  );
  expect(readdirSync(join(folder(), 'blobs'))).toEqual([]);
});

test('a busy server is asked again for content', async () => {
  await snapshot();
  settings = { ...settings, cacheFolder: mkdtempSync(join(tmpdir(), 'hub-cache-')) };
  server.faults.busy = 1;
  await expect(snapshot()).rejects.toThrow(/cannot be reached for some-body\/tiny\.model: status 503, and .* is neither on this disk nor/);
  await snapshot();
});

test('offline and unreachable: the cache answers, or one line says what is missing', async () => {
  await expect(snapshot(repo, { offline: true })).rejects.toThrow(
    /^HF_HUB_OFFLINE is set, and some-body\/tiny\.model is neither on this disk nor in the hub's cache \(.*models--some-body--tiny\.model\)$/,
  );
  const path = await snapshot();
  const asked = server.requests.length;
  expect(await snapshot(repo, { offline: true })).toBe(path);
  expect(server.requests.length).toBe(asked);
  expect(said).toEqual([]);
  await server.close();
  expect(await snapshot()).toBe(path);
  expect(said).toEqual([
    expect.stringMatching(/cannot be reached for some-body\/tiny\.model: \w+; some-body\/tiny\.model is taken from the cache$/),
  ]);
});

test('private, missing, unknown revision, strange token: one line each', async () => {
  const named = (name: string, revision = 'main'): HubRepo => ({ kind: 'model', name, revision });
  await expect(snapshot(named('some-body/secret'))).rejects.toThrow(
    /^some-body\/secret: there is no such folder here, and no model of that name on http.* \(if it is private: set HF_TOKEN\)$/,
  );
  await expect(snapshot(named('some-body/secret'), { token: 'hf_wrong' })).rejects.toThrow(/the token given does not open it/);
  await expect(snapshot(named('some-body/secret'), { token: 'password' })).rejects.toThrow(/^HF_TOKEN .*: they begin with hf_$/);
  await expect(snapshot(named(served.name, 'v9'))).rejects.toThrow(/^model some-body\/tiny\.model on http.* has no revision "v9"$/);
  await snapshot(named('some-body/secret'), { token: 'hf_right' });
  expect(existsSync(join(settings.cacheFolder, 'models--some-body--secret', 'refs', 'main'))).toBe(true);
});

test('a repository whose file names point outside is refused', async () => {
  served.files[second] = { '../../outside': Buffer.from('x') };
  await expect(snapshot({ ...repo, revision: 'v2.0' })).rejects.toThrow(
    /file named "\.\.\/\.\.\/outside", which points outside its folder/,
  );
});
