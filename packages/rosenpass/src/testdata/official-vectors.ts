import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Entry = { entry_type: 'Const' | 'Output'; name?: string; value?: string; offload?: boolean };

const file = join(import.meta.dir, 'crypto_server_test_vector_1.toml');

/**
 * The official Rosenpass test vector 1 (V03, r4-156; a initiates), by index: names repeat. A long value lies in a file
 * of its own: zstd of a JSON string of base64. What each index holds: spec tunnel.md 5.13.
 */
export const officialVectors: readonly Buffer[] = (
  Bun.TOML.parse(readFileSync(file, 'utf8')) as { entries: Entry[] }
).entries.map(({ value, offload }, index) => {
  const base64 =
    offload === true
      ? (JSON.parse(Bun.zstdDecompressSync(readFileSync(`${file}_offloaded_value_${index}.zstd`)).toString()) as string)
      : value;
  return Buffer.from(base64 ?? '', 'base64');
});
