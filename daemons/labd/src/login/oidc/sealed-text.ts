/** Values that a client carries from one call to the next without being able to read or change them. */
import { parseJson } from '@labmesh/kit/parse-json';
import { uuidv7 } from '@labmesh/wire/ids';
import type { z } from 'zod';
import type { Sealer } from '../../secrets/sealer.ts';

/** No table: nothing is stored. The name only keeps these apart from all that is. */
const table = 'login_oidc';

/** `<id>.<sealed JSON>`; `use` keeps one kind from opening as another. */
export function sealText(sealer: Sealer, use: string, value: object): string {
  const id = uuidv7();
  return `${id}.${sealer.seal(table, id, use, Buffer.from(JSON.stringify(value)))}`;
}

/** What was sealed; undefined for anything that is not ours, of this use and of this shape. */
export function openText<T>(sealer: Sealer, use: string, text: string, schema: z.ZodType<T>): T | undefined {
  const dot = text.indexOf('.');
  let plain: Uint8Array;
  try {
    plain = sealer.open(table, text.slice(0, dot), use, text.slice(dot + 1));
  } catch {
    // Garbage from outside is the caller's fault, whatever the sealer calls it.
    return undefined;
  }
  return schema.safeParse(parseJson(Buffer.from(plain).toString())).data;
}
