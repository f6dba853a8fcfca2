import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';

const bytesMost = 256 * 1024;

/** A file that a setting names, as its text: what it holds is part of the configuration that a verdict is known for. */
export const rulesFile = z
  .string()
  .default('')
  .transform((path, context): string => {
    if (path === '') return '';
    try {
      if (statSync(path).size > bytesMost) throw new RangeError(`is larger than ${bytesMost} bytes`);
      return readFileSync(path, 'utf8');
    } catch (error) {
      const message = `${path}: ${error instanceof Error ? error.message : String(error)}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });
