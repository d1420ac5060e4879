import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A repository of the test server: revisions by name, and files by commit. */
export interface ServedRepo {
  kind: 'model' | 'dataset';
  name: string;
  revisions: Record<string, string>;
  files: Record<string, Record<string, Buffer>>;
  /** Paths stored as large files (Xet): known by sha256, served by another host. */
  lfs?: string[];
  /** Wanted of every request, if set. */
  token?: string;
  /** Everyone sees what there is; content wants this token. */
  gatedFor?: string;
  /** A name that it had before. */
  renamedFrom?: string;
}

/** Faults of the next answers with content. */
export interface Faults {
  /** Bytes after which each of the next connections is cut. */
  cut: number[];
  /** Ranges are ignored: the whole is sent with 200. */
  ignoreRanges?: boolean;
  /** Other bytes of the same length are sent. */
  corrupt?: boolean;
  /** Answers 503 this many times. */
  busy?: number;
  /** Answers 429 this many times. */
  limited?: number;
  /** Redirects without the signature that the other host wants. */
  unsigned?: boolean;
  /** Refuses everything, in these words. */
  disabled?: string;
}

interface Served {
  repos: ServedRepo[];
  faults: Faults;
  requests: string[];
  endpoint: string;
  cdn: string;
}

/**
 * Speaks as much of the hub's protocol over HTTP as a download needs, as the hub does in 2026: small files by a relative redirection to its
 * cache, large ones by one to another host that refuses tokens and wants its signature, headers that say what is behind either, errors with
 * their code in X-Error-Code; two entries of a listing to a page.
 */
export async function hubServer(repos: ServedRepo[]) {
  const served: Served = { repos, faults: { cut: [] }, requests: [], endpoint: '', cdn: '' };
  const hub = await listening((request, response) => answerHub(served, request, response));
  const cdn = await listening((request, response) => answerCdn(served, request, response));
  [served.endpoint, served.cdn] = [hub.address, cdn.address];
  const close = (): Promise<unknown> => Promise.all([hub.close(), cdn.close()]);
  return { endpoint: served.endpoint, faults: served.faults, requests: served.requests, close };
}

async function listening(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): Promise<unknown> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { address, close };
}

function logged({ requests }: Served, path: string, { headers }: IncomingMessage): void {
  requests.push(`${path}${headers.range ? ` ${headers.range}` : ''}`);
}

function refuse(response: ServerResponse, status: number, code: string | undefined, message: string): void {
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'X-Error-Message': message, ...(code && { 'X-Error-Code': code }) };
  response.writeHead(status, headers).end(JSON.stringify({ error: message }));
}

/** The host of large files: a signature in the address, and no token beside it. */
function answerCdn(served: Served, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, served.cdn);
  const path = decodeURIComponent(url.pathname);
  logged(served, path, request);
  if (request.headers.authorization !== undefined) return refuse(response, 400, undefined, 'Only one auth mechanism allowed');
  if (url.searchParams.get('Signature') !== 'ok') return refuse(response, 403, undefined, 'AccessDenied');
  const [, , kind, owner, name, commit, ...rest] = path.split('/');
  const repo = served.repos.find((one) => one.kind === kind && one.name === `${owner}/${name}`)!;
  content(repo.files[commit][rest.join('/')], served.faults, request, response);
}

function answerHub(served: Served, request: IncomingMessage, response: ServerResponse): void {
  const { repos, faults, endpoint } = served;
  const url = new URL(request.url!, endpoint);
  const path = decodeURIComponent(url.pathname);
  logged(served, path, request);
  if (faults.disabled !== undefined) return refuse(response, 403, undefined, faults.disabled);
  if ((faults.busy ?? 0) > 0) {
    faults.busy!--;
    return refuse(response, 503, undefined, 'busy');
  }
  if ((faults.limited ?? 0) > 0) {
    faults.limited!--;
    response.setHeader('RateLimit', '"resolvers";r=0;t=1');
    response.setHeader('RateLimit-Policy', '"fixed window";"resolvers";q=3000;w=300');
    return refuse(response, 429, undefined, 'We had to rate limit your IP.');
  }
  const { authorization } = request.headers;
  const places = (kind: string, name: string): string[] => [
    `/api/${kind}s/${name}/`,
    `/api/resolve-cache/${kind}s/${name}/`,
    `${kind === 'model' ? '' : '/datasets'}/${name}/resolve/`,
  ];
  const moved = repos.find(({ kind, renamedFrom }) => renamedFrom && places(kind, renamedFrom).some((place) => path.startsWith(place)));
  if (moved) {
    response.writeHead(307, { Location: request.url!.replace(moved.renamedFrom!, moved.name) }).end();
    return;
  }
  if (authorization === 'Bearer hf_expired') return refuse(response, 401, undefined, 'Invalid credentials in Authorization header');
  const repo = repos.find(({ kind, name }) => places(kind, name).some((place) => path.startsWith(place)));
  if (!repo || (repo.token !== undefined && authorization !== `Bearer ${repo.token}`))
    return authorization === undefined
      ? refuse(response, 401, 'RepoNotFound', 'Invalid username or password.')
      : refuse(response, 404, 'RepoNotFound', 'Repository not found');
  const [verb, rest] = path.startsWith('/api/resolve-cache/')
    ? ['cache', path.slice(places(repo.kind, repo.name)[1].length)]
    : /\/(revision|tree|resolve)\/(.*)$/.exec(path)!.slice(1);
  if (verb === 'revision') return revision(repo, rest, response);
  if (verb === 'tree') return tree(repo, rest, url, response);
  if (repo.gatedFor !== undefined && authorization !== `Bearer ${repo.gatedFor}`)
    return authorization === undefined
      ? refuse(
          response,
          401,
          'GatedRepo',
          `Access to ${repo.kind} ${repo.name} is restricted. You must have access to it and be authenticated to access it. Please log in.`,
        )
      : refuse(
          response,
          403,
          'GatedRepo',
          `Access to ${repo.kind} ${repo.name} is restricted and you are not in the authorized list. Visit ${endpoint}/${repo.name} to ask for access.`,
        );
  const [commit, ...parts] = rest.split('/');
  const name = parts.join('/');
  const bytes = repo.files[repo.revisions[commit] ?? commit]?.[name];
  response.setHeader('X-Repo-Commit', repo.revisions[commit] ?? commit);
  if (!bytes) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
  const isLarge = repo.lfs?.includes(name) ?? false;
  const { oid, lfs, xetHash } = entry(name, bytes, isLarge);
  if (verb === 'cache') {
    response.setHeader('ETag', `"${oid}"`);
    return content(bytes, faults, request, response);
  }
  response.setHeader('X-Linked-Size', bytes.length);
  response.setHeader('X-Linked-ETag', `"${lfs?.oid ?? oid}"`);
  if (!lfs) {
    response.writeHead(307, { Location: `/api/resolve-cache/${repo.kind}s/${repo.name}/${rest}?etag=%22${oid}%22` }).end();
    return;
  }
  const links = [
    `<${endpoint}/api/${repo.kind}s/${repo.name}/xet-read-token/${commit}>; rel="xet-auth"`,
    `<https://cas-server.xethub.hf.co/v1/reconstructions/${xetHash}>; rel="xet-reconstruction-info"`,
  ];
  response.setHeader('X-Xet-Hash', xetHash!);
  response.setHeader('Link', links.join(', '));
  response
    .writeHead(302, {
      Location: `${served.cdn}/cdn/${repo.kind}/${repo.name}/${commit}/${name}?Expires=9&Signature=${faults.unsigned ? 'expired' : 'ok'}`,
    })
    .end();
}

function revision(repo: ServedRepo, asked: string, response: ServerResponse): void {
  const sha = repo.revisions[asked] ?? (asked in repo.files ? asked : undefined);
  if (sha === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${asked}`);
  const gated = repo.gatedFor === undefined ? false : 'manual';
  response.setHeader('Content-Type', 'application/json');
  response.end(
    JSON.stringify({
      _id: '1',
      id: repo.name,
      sha,
      private: false,
      gated,
      likes: 0,
      downloads: 0,
      lastModified: '2026-01-01T00:00:00.000Z',
    }),
  );
}

function tree(repo: ServedRepo, asked: string, url: URL, response: ServerResponse): void {
  const files = repo.files[repo.revisions[asked] ?? asked];
  const folders = new Set(Object.keys(files).flatMap((name) => (name.includes('/') ? [name.slice(0, name.lastIndexOf('/'))] : [])));
  const all = [
    ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: '0'.repeat(40) })),
    ...Object.entries(files).map(([name, bytes]) => entry(name, bytes, repo.lfs?.includes(name) ?? false)),
  ];
  const from = Number(url.searchParams.get('cursor') ?? 0);
  if (from + 2 < all.length) {
    url.searchParams.set('cursor', String(from + 2));
    response.setHeader('Link', `<${url.href}>; rel="next"`);
  }
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(all.slice(from, from + 2)));
}

function entry(path: string, bytes: Buffer, isLarge: boolean) {
  const sha1 = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const plain = { type: 'file', path, size: bytes.length, oid: sha1 };
  if (!isLarge) return { ...plain, lfs: undefined, xetHash: undefined };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  // the blob's own sha1 is that of the pointer; a Xet hash is another function of the content
  const pointer = createHash('sha1').update(sha256).digest('hex');
  const xetHash = createHash('sha256').update('xet').update(bytes).digest('hex');
  return { ...plain, oid: pointer, lfs: { oid: sha256, size: bytes.length, pointerSize: 130 }, xetHash };
}

function content(bytes: Buffer, faults: Faults, request: IncomingMessage, response: ServerResponse): void {
  const start = faults.ignoreRanges ? 0 : Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const body = faults.corrupt ? Buffer.alloc(bytes.length - start, 63) : bytes.subarray(start);
  const headers = {
    'Content-Length': body.length,
    'Accept-Ranges': 'bytes',
    ...(start > 0 && { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  };
  response.writeHead(start > 0 ? 206 : 200, headers);
  if (request.method === 'HEAD') return void response.end();
  const cut = faults.cut.shift();
  if (cut === undefined || cut >= body.length) response.end(body);
  // a broken stream forgets what its reader has not taken yet: time to take it, also where other programs run
  else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), cut === 0 ? 0 : 300));
}
