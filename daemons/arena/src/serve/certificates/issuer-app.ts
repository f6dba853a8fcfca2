/**
 * What the issuer asks of the arena that has its log (verification CT7), over a socket in the issuer's folder. There is no
 * secret to show: who may open the socket may read the private keys beside it. It is none of the API's: a key of a tenant,
 * or the gateway, says nothing here.
 */
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { revocationSchema } from '@labmesh/attest/certificate/revocations';
import { Hono } from 'hono';
import type { Revoker } from '../../certify/revoker.ts';
import { ArenaRefused, readJson, refusal } from '../arena-refused.ts';

const bodyBytesMost = 4_096;

export function issuerApp(revoker: Revoker, onFault: (error: unknown) => void): Hono {
  const app = new Hono();
  app.post('/revocations', async (c) => {
    const revoked = await revoker.revokeAny(await readJson(c, revocationSchema, bodyBytesMost));
    if (revoked === undefined)
      throw new ArenaRefused('NOT_FOUND', 'there is no certificate with this id, or of this run');
    return c.json(revoked);
  });
  app.onError((error, c) => {
    // Who asks may read all there is: the code is told as it is, as labctl would tell it of itself.
    if (error instanceof AttestRefused) return c.json({ code: error.code, message: error.message }, 409);
    return refusal(c, error, onFault);
  });
  return app;
}
