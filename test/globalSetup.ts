import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives all tests one folder for their temporary files, which `globalTeardown` removes: a test that fails half-way leaves nothing either. */
export default function globalSetup(): void {
  // workers are started after this and inherit it; `os.tmpdir()` reads it
  process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'dpo-tests-'));
}
