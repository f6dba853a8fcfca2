/** Run as a process: appends groups to a log and tells each size that is logged, until killed. FOLDER, then keys by PKCS#8. */
import { openLogFolder } from '../log/open-log-folder.ts';
import { entryBytes } from '../merkle/log-entry.ts';
import { signerFromPkcs8 } from '../keys/signing-key.ts';

const [, , folder = '', pkcs8 = '', run = ''] = process.argv;
const { log } = await openLogFolder(folder, 'labmesh.example/log', signerFromPkcs8(Uint8Array.fromBase64(pkcs8)));
for (let round = 0; ; round++) {
  const count = 1 + ((round * 37) % 300);
  const entries = Array.from({ length: count }, (_, index) =>
    entryBytes({
      v: 1,
      kind: 'audit',
      id: `${run}-${round}-${index}`,
      sha256: '0'.repeat(64),
      time: '2026-03-01T12:00:00Z',
    }),
  );
  const { head } = await log.append(entries);
  process.stdout.write(`${head.size} ${head.root.toHex()}\n`);
}
