/** The checkpoint that a key in a service is asked for, kept until it is there: its tiles are on disk already. */
import { AttestRefused } from '../attest-refused.ts';
import { fromBase64, toBase64 } from '../bytes/base64.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseJson } from '../json/parse-json.ts';
import type { TreeHead } from '../merkle/merkle-tree.ts';
import { edgeRoot, type TreeEdge } from '../merkle/tree-edge.ts';
import type { LogDisk } from './log-disk.ts';
import { readEdge } from './read-edge.ts';

const path = 'checkpoint.wanted';
const draft = `${path}.next`;

export async function writeWanted(disk: LogDisk, { size, root }: TreeHead): Promise<void> {
  await disk.writeSynced(draft, canonicalBytes({ size, root: toBase64(root) }));
  await disk.rename(draft, path);
  await disk.syncFolder('');
}

function parse(bytes: Uint8Array): TreeHead {
  const { size, root } = (parseJson(bytes) ?? {}) as { size?: unknown; root?: unknown };
  if (typeof size === 'number' && Number.isSafeInteger(size) && typeof root === 'string') {
    return { size, root: fromBase64(root) };
  }
  throw new AttestRefused('LOG_DAMAGED', `${path} is none`);
}

/**
 * The tree that was wanted, when it is beyond `size`, which the newest checkpoint holds.
 * @throws AttestRefused LOG_DAMAGED when the tiles do not lead to it: another history must not be signed in its place
 */
export async function readWanted(disk: LogDisk, size: number): Promise<TreeEdge | undefined> {
  const bytes = await disk.read(path);
  if (bytes === undefined) return undefined;
  const wanted = parse(bytes);
  if (wanted.size <= size) return undefined;
  const edge = await readEdge(disk, wanted.size);
  if (equalBytes(edgeRoot(edge), wanted.root)) return edge;
  throw new AttestRefused('LOG_DAMAGED', 'the tiles do not lead to the root that was to be signed');
}
