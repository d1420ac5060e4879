import { z } from 'zod';
import { flagName } from '../util/optionIssues';

/** A key of the schema as JSON Schema shows it. */
interface OptionSchema {
  type?: string;
  enum?: string[];
  description?: string;
  default?: unknown;
}

const TYPES: Readonly<Record<string, 'boolean' | 'number' | 'string'>> = { boolean: 'boolean', number: 'number', integer: 'number' };

/** An option for yargs. Defaults are shown in --help only: they are the schema's, or flags that nobody gave would override a config file. */
const toOption = (schema: OptionSchema) => ({
  // a list comes as one text, separated by commas
  type: TYPES[schema.type ?? ''] ?? ('string' as const),
  describe: `${schema.description}${schema.enum ? `: ${schema.enum.join(', ')}` : ''}`,
  requiresArg: schema.type !== 'boolean',
  ...(schema.default !== undefined && typeof schema.default !== 'boolean' && { defaultDescription: String(schema.default) }),
});

/** yargs' options for a flat zod schema, by flag name, and the schema's values read back from what yargs parsed. */
export function schemaFlags(schema: z.ZodObject) {
  const { properties } = z.toJSONSchema(schema, { io: 'input' }) as { properties: Record<string, OptionSchema> };
  const keys = Object.keys(properties);
  return {
    flags: Object.fromEntries(keys.map((key) => [flagName(key), toOption(properties[key])])),
    given: (argv: Readonly<Record<string, unknown>>): Record<string, unknown> =>
      Object.fromEntries(keys.map((key) => [key, argv[flagName(key)]])),
  };
}
