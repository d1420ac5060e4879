import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A repository of the test server: revisions by name, and files by commit. */
export interface ServedRepo {
  kind: 'model' | 'dataset';
  name: string;
  revisions: Record<string, string>;
  files: Record<string, Record<string, Buffer>>;
  /** Paths stored as LFS: known by sha256, served by redirection to another path, as the hub's CDN does. */
  lfs?: string[];
  /** Wanted of every request, if set. */
  token?: string;
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
}

/** Speaks as much of the hub's protocol over HTTP as a download needs; two entries of a listing to a page. */
export async function hubServer(repos: ServedRepo[]) {
  const faults: Faults = { cut: [] };
  const requests: string[] = [];
  const server = createServer((request, response) => answer(repos, faults, requests, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): Promise<unknown> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { endpoint, faults, requests, close };
}

function answer(repos: ServedRepo[], faults: Faults, requests: string[], request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, `http://${request.headers.host}`);
  const path = decodeURIComponent(url.pathname);
  requests.push(`${path}${request.headers.range ? ` ${request.headers.range}` : ''}`);
  const refuse = (status: number, error: string): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error }));
  };
  if ((faults.busy ?? 0) > 0) {
    faults.busy!--;
    return refuse(503, 'busy');
  }
  if (path.startsWith('/cdn/')) {
    const [, , kind, owner, name, commit, ...rest] = path.split('/');
    const repo = repos.find((one) => one.kind === kind && one.name === `${owner}/${name}`)!;
    return content(repo.files[commit][rest.join('/')], faults, request, response);
  }
  const repo = repos.find(
    ({ kind, name }) =>
      path.startsWith(`/api/${kind}s/${name}/`) || path.startsWith(`${kind === 'model' ? '' : '/datasets'}/${name}/resolve/`),
  );
  if (!repo || (repo.token !== undefined && request.headers.authorization !== `Bearer ${repo.token}`))
    return refuse(401, 'Invalid username or password.');
  const [, verb, rest] = /\/(revision|tree|resolve)\/(.*)$/.exec(path)!;
  if (verb === 'revision') {
    const sha = repo.revisions[rest] ?? (rest in repo.files ? rest : undefined);
    if (sha === undefined) return refuse(404, `Invalid rev id: ${rest}`);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ _id: '1', id: repo.name, sha, private: false, gated: false, likes: 0, downloads: 0, lastModified: 0 }));
  } else if (verb === 'tree') {
    const all = Object.entries(repo.files[rest]).map(([name, bytes]) => entry(name, bytes, repo.lfs?.includes(name) ?? false));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    if (from + 2 < all.length) {
      url.searchParams.set('cursor', String(from + 2));
      response.setHeader('Link', `<${url.href}>; rel="next"`);
    }
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(all.slice(from, from + 2)));
  } else {
    const [commit, ...parts] = rest.split('/');
    const name = parts.join('/');
    const bytes = repo.files[commit]?.[name];
    if (!bytes) return refuse(404, 'Entry not found');
    if (!repo.lfs?.includes(name)) return content(bytes, faults, request, response);
    response.writeHead(302, { Location: `/cdn/${repo.kind}/${repo.name}/${commit}/${name}` }).end();
  }
}

function entry(path: string, bytes: Buffer, lfs: boolean) {
  const sha1 = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { type: 'file', path, size: bytes.length, oid: sha1, ...(lfs && { lfs: { oid: sha256, size: bytes.length, pointerSize: 130 } }) };
}

function content(bytes: Buffer, faults: Faults, request: IncomingMessage, response: ServerResponse): void {
  const start = faults.ignoreRanges ? 0 : Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const body = faults.corrupt ? Buffer.alloc(bytes.length - start, 63) : bytes.subarray(start);
  const headers = {
    'Content-Length': body.length,
    ...(start > 0 && { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  };
  response.writeHead(start > 0 ? 206 : 200, headers);
  const cut = faults.cut.shift();
  if (cut === undefined || cut >= body.length) response.end(body);
  // a broken stream forgets what its reader has not taken yet: time to take it, also where other programs run
  else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), cut === 0 ? 0 : 300));
}
