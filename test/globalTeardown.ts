import { rmSync } from 'node:fs';

/** Removes what `globalSetup` made. */
export default function globalTeardown(): void {
  rmSync(process.env.TMPDIR!, { recursive: true, force: true });
}
