import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trustInKey } from '../keys/trust.ts';
import { sampleFile, sampleIssuer, sampleNow } from '../testing/sample-certificate.ts';
import { verifyCertificate } from './verify-certificate.ts';

const options = { now: sampleNow, revocationsUnknown: true };

test('the code that verifies runs in a browser: nothing of Node is reached by it', async () => {
  const issuer = await sampleIssuer();
  const file = await sampleFile(issuer);
  const folder = mkdtempSync(join(tmpdir(), 'attest-browser-'));
  try {
    const entrypoints = [join(import.meta.dir, 'verify-certificate.ts'), join(import.meta.dir, '../keys/trust.ts')];
    const built = await Bun.build({
      entrypoints,
      target: 'browser',
      outdir: folder,
      external: ['node:*', 'bun:*'],
      define: { Bun: 'undefined' },
    });
    expect(built.success).toBe(true);
    for (const output of built.outputs) {
      const text = await output.text();
      expect(text).not.toMatch(/from\s*["'](?:node|bun):|require\(["'](?:node|bun)/);
    }
    // As a browser has it: hashing by the portable code.
    const script = `
      const { verifyCertificate } = await import(${JSON.stringify(join(folder, 'certificate/verify-certificate.js'))});
      const { trustInKey } = await import(${JSON.stringify(join(folder, 'keys/trust.js'))});
      const key = ${JSON.stringify({ ...issuer.signer.publicKey, spki: issuer.signer.publicKey.spki.toBase64() })};
      const trust = trustInKey({ ...key, spki: Uint8Array.fromBase64(key.spki) });
      const file = Uint8Array.fromBase64(${JSON.stringify(file.toBase64())});
      const report = await verifyCertificate(file, trust, ${JSON.stringify(options)});
      console.log(JSON.stringify(report));`;
    const run = Bun.spawnSync([process.execPath, '-e', script]);
    expect(run.stderr.toString()).toBe('');
    expect(JSON.parse(run.stdout.toString())).toEqual(
      JSON.parse(JSON.stringify(await verifyCertificate(file, trustInKey(issuer.signer.publicKey), options))),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
