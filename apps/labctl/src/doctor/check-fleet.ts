/** The fleet as seen from this account: settings, login, the way to labd, and what labd says. Nothing when none is set up. */
import { accessOf } from '../client/labd-access.ts';
import type { World } from '../command.ts';
import { checkBastion } from './check-bastion.ts';
import { checkLabd } from './check-labd.ts';
import { checkReach } from './check-reach.ts';
import { checkSsh } from './check-ssh.ts';
import { checkTunnel } from './check-tunnel.ts';
import type { Finding } from './finding.ts';
import { isFleetConfigured, readFleetGround } from './fleet-ground.ts';

/** Longest wait for one step, ms: a doctor who waits for a dead host names it all the same. */
const stepMaxMs = 5_000;

/** @param context of --context */
export async function checkFleet(world: World, context: string | undefined): Promise<Finding[]> {
  if (context === undefined && !isFleetConfigured(world.env)) return [];
  const now = world.clock.wall();
  const { findings, settings, credentials } = await readFleetGround(world.env, context, now);
  if (settings === undefined) return findings;
  const timeoutMs = Math.min(settings.timeoutMs, stepMaxMs);
  findings.push(...checkSsh(settings, world.env), ...(await checkBastion(settings, timeoutMs)));
  const url = settings.get('labd.url');
  if (url === undefined) return findings;
  const pins = settings.get('labd.caPin');
  const reach = await checkReach({ url, pins, credentials, timeoutMs, signal: world.life.signal });
  findings.push(...reach.findings);
  const { bundlePem } = reach;
  if (bundlePem === undefined) return findings;
  const isLive = credentials !== undefined && credentials.certificate.notAfter > now;
  const trust = { by: 'bundle', bundlePem, pins, trustDomain: credentials?.trustDomain } as const;
  const proof = isLive ? accessOf(url, pins, credentials).proof : ({ by: 'nothing' } as const);
  const labd = { world, url, trust, proof, timeoutMs };
  findings.push(...(await checkLabd(labd)));
  // A labd that does not do well is not asked for more.
  if (findings.some(({ state }) => state === 'fail')) return findings;
  return [...findings, ...(await checkTunnel(labd))];
}
