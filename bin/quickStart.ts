import Module from 'node:module';

/*
 * Imported first by every command, for its start alone: --help took 0.37 s of processor time without it, and a sixth less with it (docs/LOG.md).
 */

// compiled code is kept between runs; from Node 22.8 on
(Module as { enableCompileCache?(): unknown }).enableCompileCache?.();

// zod loads its messages in some fifty languages, of which nothing here reads any but its own default, English, which it loads apart
try {
  const path = require.resolve('zod/v4/locales');
  const nothing = new Module(path);
  Object.assign(nothing, { filename: path, loaded: true, exports: {} });
  require.cache[path] ??= nothing;
} catch {
  // another zod without such a file: slower, and no different
}
