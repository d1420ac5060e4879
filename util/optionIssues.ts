import type { z } from 'zod';
import { nearest } from './suggest';

/** `learningRate` → `learning-rate`: the flag of an option's key, without dashes. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * zod's complaints about a flat set of options as clear text, one each: which flag, what was given, what is allowed.
 * @param given the options as they were checked  @param known every option's key
 * @param origin how an option is named, by its key
 */
export function optionIssues(
  issues: readonly z.core.$ZodIssue[],
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  origin: (key: string) => string = (key) => `--${flagName(key)}`,
): string[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownOption(key, known, origin));
    const key = String(issue.path[0]);
    const value = issue.path.reduce<unknown>((part, name) => (part as Record<PropertyKey, unknown> | undefined)?.[name], given);
    if (given[key] === undefined) return [`${origin(key)} is missing`];
    const shown = typeof value === 'string' ? `"${value}"` : Number.isNaN(value) ? 'not a number' : JSON.stringify(value);
    return [`${origin(key)} is ${shown}: ${allowed(issue, value)}`];
  });
}

function unknownOption(key: string, known: readonly string[], origin: (key: string) => string): string {
  const guess = nearest(key, known);
  return `${origin(key)}: unknown option${guess ? `; did you mean ${flagName(guess)}?` : `; known: ${known.map(flagName).join(', ')}`}`;
}

/** What a zod issue asks of the value, in words. */
export function allowed(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_value': {
      const guess = typeof value === 'string' ? nearest(value, issue.values.map(String)) : undefined;
      return `allowed: ${issue.values.join(', ')}${guess ? `; did you mean ${guess}?` : ''}`;
    }
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${issue.origin === 'string' ? ' characters long' : ''}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : issue.expected === 'array' ? 'a list' : `a ${issue.expected}`}`;
    default:
      return issue.message;
  }
}
