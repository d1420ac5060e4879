/**
 * A mistake in what the user gave (a file, a flag, a model): `bin/` prints its message as one line and exits with 1.
 * The message names the file and line or the option, what was found, and what is allowed.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}
