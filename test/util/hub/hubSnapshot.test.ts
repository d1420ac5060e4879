import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../../util/errors';
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
const gated: ServedRepo = { ...served, name: 'some-body/gated', gatedFor: 'hf_right' };
const renamed: ServedRepo = { ...served, name: 'some-body/new-name', renamedFrom: 'old-body/old-name' };
const repo: HubRepo = { kind: 'model', name: served.name, revision: 'main' };

let server: Awaited<ReturnType<typeof hubServer>>;
let settings: HubSettings;
let said: string[];
const choose = (paths: readonly string[]): string[] => paths.filter((path) => !path.startsWith('onnx/'));
const snapshot = (which: HubRepo = repo, more: Partial<HubSettings> = {}): Promise<string> =>
  hubSnapshot(which, choose, { progress: () => {}, say: (line) => said.push(line), settings: { ...settings, ...more }, patience: 1 });

beforeEach(async () => {
  said = [];
  server = await hubServer([served, secret, gated, renamed]);
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
  const at = (revision: string): HubRepo => ({ ...repo, revision });
  await expect(snapshot(named('some-body/secret'))).rejects.toThrow(
    /^some-body\/secret: there is no such folder here, and no model of that name on http.* \(if it is private: set HF_TOKEN\)$/,
  );
  await expect(snapshot(named('some-body/secret'), { token: 'hf_wrong' })).rejects.toThrow(/the token given does not open it/);
  await expect(snapshot(named('some-body/secret'), { token: 'password' })).rejects.toThrow(/^HF_TOKEN .*: they begin with hf_$/);
  await expect(snapshot(at('v9'))).rejects.toThrow(/^model some-body\/tiny\.model on http.* has no revision "v9"$/);
  await snapshot(named('some-body/secret'), { token: 'hf_right' });
  expect(existsSync(join(settings.cacheFolder, 'models--some-body--secret', 'refs', 'main'))).toBe(true);
});

test('a repository whose file names point outside is refused', async () => {
  served.files[second] = { '../../outside': Buffer.from('x') };
  await expect(snapshot({ ...repo, revision: 'v2.0' })).rejects.toThrow(
    /file named "\.\.\/\.\.\/outside", which points outside its folder/,
  );
});

const named = (name: string): HubRepo => ({ kind: 'model', name, revision: 'main' });

test('small files come from the hub, large ones from its other host, which sees no token and is not spoken to in the Xet protocol', async () => {
  const path = await snapshot(named('some-body/secret'), { token: 'hf_right' });
  expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
  expect(server.requests.filter((request) => !request.startsWith('/api/models/'))).toEqual([
    `/some-body/secret/resolve/${first}/config.json`,
    `/api/resolve-cache/models/some-body/secret/${first}/config.json`,
    `/some-body/secret/resolve/${first}/empty.txt`,
    `/api/resolve-cache/models/some-body/secret/${first}/empty.txt`,
    `/some-body/secret/resolve/${first}/model.safetensors`,
    `/cdn/model/some-body/secret/${first}/model.safetensors`,
  ]);
  expect(server.requests.filter((request) => request.includes('xet'))).toEqual([]);
});

test('a gated repository lists its files and refuses their content: one line says where its terms are', async () => {
  const line = (end: string) => `model some-body/gated is gated: accept its terms at ${server.endpoint}/some-body/gated, and ${end}`;
  await expect(snapshot(named('some-body/gated'))).rejects.toThrow(new UserError(line('set HF_TOKEN')));
  await expect(snapshot(named('some-body/gated'), { token: 'hf_other' })).rejects.toThrow(
    new UserError(line('the token given does not open it')),
  );
  await snapshot(named('some-body/gated'), { token: 'hf_right' });
});

test('an expired token, a disabled repository, a missing one with a token: one line each', async () => {
  await expect(snapshot(repo, { token: 'hf_expired' })).rejects.toThrow(
    new UserError(`${server.endpoint} does not accept HF_TOKEN (or the stored token): it may have expired; give another, or none`),
  );
  await expect(snapshot(named('no-body/nothing'), { token: 'hf_right' })).rejects.toThrow(
    /^no-body\/nothing: there is no such folder here/,
  );
  server.faults.disabled = 'Access to this resource is disabled.';
  await expect(snapshot()).rejects.toThrow(
    new UserError(`${server.endpoint} refused model some-body/tiny.model: Access to this resource is disabled.`),
  );
});

test('a repository that was renamed is found under its old name', async () => {
  const path = await snapshot(named('old-body/old-name'));
  expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
  expect(path).toContain('models--old-body--old-name');
});

test('a server that counts requests is left alone for as long as it says, and the bar says so', async () => {
  const before = Date.now();
  const waits: unknown[] = [];
  // from inside the choice on: the listing is there, the content is not
  await hubSnapshot(repo, (paths) => ((server.faults.limited = 1), choose(paths)), {
    ...{ progress: ({ fields }) => fields?.waiting !== undefined && waits.push(fields), say: () => {}, settings, patience: 1 },
  });
  expect(server.faults.limited).toBe(0);
  expect(waits).toEqual([{ file: expect.any(String), waiting: '1 s (status 429)' }]);
  expect(Date.now() - before).toBeGreaterThanOrEqual(1000);
});

test('a file that goes between listing and download, and a large one that the other host refuses, are named', async () => {
  const going: ServedRepo = { ...served, name: 'some-body/going', files: { [first]: { ...files } } };
  const other = await hubServer([going]);
  settings = { ...settings, endpoint: other.endpoint };
  const removing = (paths: readonly string[]) => {
    delete going.files[first]['config.json'];
    return choose(paths);
  };
  const options = { progress: () => {}, say: () => {}, settings, patience: 1 };
  await expect(hubSnapshot(named('some-body/going'), removing, options)).rejects.toThrow(
    new UserError(`model some-body/going on ${other.endpoint} has no file config.json any more`),
  );
  other.faults.unsigned = true;
  await expect(hubSnapshot(named('some-body/going'), choose, options)).rejects.toThrow(
    /^cannot download model\.safetensors from http:\/\/127\.0\.0\.1:\d+: status 403$/,
  );
  await other.close();
});
