/** Certificates as their tenant gets them, and what anyone needs to verify them (verification CT4-CT8, RP6). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { revocationReasons } from '@labmesh/attest/certificate/revocations';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { Hono } from 'hono';
import { z } from 'zod';
import { listCertificates } from '../certify/certificate-rows.ts';
import type { Issuer } from '../certify/issuer.ts';
import { keyOf, pageOf, tenantOf } from './arena-caller.ts';
import { ArenaRefused, readBy, readJson } from './arena-refused.ts';
import { certificateView, viewField } from './certificates/certificate-view.ts';
import { unsignedView } from './certificates/unsigned-view.ts';
import { findWanted, missingCertificate, wantedCertificate } from './certificates/wanted-certificate.ts';

export type CertificateRouteParts = {
  store: Store;
  issuer: Issuer;
  clock: Clock;
  /** The issuer's folder: trust file, revocations, log. */
  folder: string;
};

const revokeSchema = z.strictObject({ reason: z.enum(revocationReasons) });
const bodyBytesMost = 4_096;
/** Of one tenant: the list, which holds 4096, is everybody's. */
const revokedMost = 500;
/** What of the log anyone may read: checkpoint, tiles and entries (c2sp.org/tlog-tiles). */
const logPath = /^(?:checkpoint|tile\/(?:\d{1,2}|entries)(?:\/x\d{3})*\/\d{3}(?:\.p\/\d{1,3})?)$/;

async function file(path: string, type: string): Promise<Response> {
  try {
    return new Response(await readFile(path), { headers: { 'content-type': type } });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new ArenaRefused('NOT_FOUND', 'it is not there yet');
  }
}

export function certificateRoutes(parts: CertificateRouteParts): Hono {
  const { store, issuer, clock, folder } = parts;
  const { revoker } = issuer;
  const app = new Hono();
  app.get('/api/arena/certificates/:id', async (c) => {
    const view = readBy(viewField, c.req.query('view'), 'view');
    const { row, run } = await findWanted(c, parts);
    if (row === undefined) {
      const unsigned = view === 'functional' && run !== undefined ? unsignedView(run) : undefined;
      if (unsigned === undefined) throw missingCertificate(run, issuer);
      return c.json(unsigned);
    }
    if (view === 'jws') return c.body(await issuer.summary(row), 200, { 'content-type': 'application/jose' });
    if (view !== 'bundle') {
      const revoked = (await revoker.reasons())(row);
      return c.json(certificateView(row, view, clock.wall(), revoked) as object);
    }
    return new Response(row.bundle, {
      headers: {
        'content-type': 'application/vnd.labmesh.certificate-bundle.v1+json',
        'content-disposition': `attachment; filename="${row.id}.labcert"`,
      },
    });
  });
  app.get('/api/arena/certificates', async (c) => {
    const page = pageOf(c);
    const rows = await listCertificates(store, tenantOf(c), page.limit, page.offset);
    const revoked = await revoker.reasons();
    const certificates = rows.map((row) => ({
      certificateId: row.id,
      runId: row.run_id,
      issuedAt: new Date(row.created_at).toISOString(),
      expiresAt: row.expires_at === null ? null : new Date(row.expires_at).toISOString(),
      logIndex: row.log_index,
      revokedReason: revoked(row),
    }));
    return c.json({ certificates, ...page });
  });
  app.post('/api/arena/certificates/:id/revoke', async (c) => {
    const { reason } = await readJson(c, revokeSchema, bodyBytesMost);
    const row = await wantedCertificate(c, parts);
    // Asked again it is as it was: each revocation stays on the list, and in the log, for good.
    if (row.revoked_at !== null) return c.json({ certificateId: row.id, reason: row.revoked_reason });
    if ((await revoker.ownCount(row.tenant)) >= revokedMost) {
      throw new ArenaRefused('CONFLICT', `a tenant revokes at most ${revokedMost} certificates itself`);
    }
    await revoker.revoke(row, reason, keyOf(c));
    return c.json({ certificateId: row.id, reason });
  });
  app.get('/api/arena/trust.json', () => file(join(folder, folderFiles.trust), 'application/json'));
  app.get('/api/arena/jwks.json', async (c) => c.json(await issuer.jwks()));
  app.get('/api/arena/revocations', () => file(join(folder, folderFiles.revocations), 'application/json'));
  app.get('/api/arena/log/*', (c) => {
    const path = c.req.path.slice('/api/arena/log/'.length);
    if (!logPath.test(path)) throw new ArenaRefused('NOT_FOUND', 'the log has no such file');
    return file(join(folder, folderFiles.log, path), 'application/octet-stream');
  });
  return app;
}
