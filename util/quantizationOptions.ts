import { z } from 'zod';
import { UserError } from './errors';

/** The options of weights in 4 bits: zod fields with their defaults and help texts. @param what whose linear weights they are */
export const quantizationOptions = (what: string) => ({
  quantization: z
    .enum(['none', 'nf4', 'fp4'])
    .default('none')
    .describe(`QLoRA: linear weights of ${what} are kept in 4 bits, in bitsandbytes' layout`),
  doubleQuantization: z.boolean().default(false).describe('QLoRA: so are the magnitudes of their blocks, in 8 bits'),
});

/** The quantisation that options ask for, if any. @throws UserError for half of it */
export function chosenQuantization(type: 'none' | 'nf4' | 'fp4', double: boolean): { type: 'nf4' | 'fp4'; double: boolean } | undefined {
  if (type !== 'none') return { type, double };
  if (double) throw new UserError('--double-quantization is for QLoRA: give --quantization nf4 or fp4');
  return undefined;
}
