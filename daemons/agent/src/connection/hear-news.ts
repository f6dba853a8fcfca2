/** What labd tells an agent while it is connected, besides work: where else labd is, when to come back, which roots to trust. */
import type { Logger } from '@labmesh/kit/log';
import { agentNewsSchema } from '@labmesh/wire/fleet/agent-news';
import type { AgentIdentity } from '../identity/agent-identity.ts';
import type { Addresses } from './addresses.ts';

export type NewsTakers = {
  identity: Pick<AgentIdentity, 'takeBundle'>;
  addresses: Pick<Addresses, 'add'>;
  /** After a loss the first try lies within this. */
  onReturn: (withinMs: number) => void;
  log: Logger;
};

/** Takes what a `desired` says of that; anything else in it says nothing here. Never rejects: labd tells roots again. */
export async function hearNews(desired: unknown, { identity, addresses, onReturn, log }: NewsTakers): Promise<void> {
  const news = agentNewsSchema.safeParse(desired);
  if (!news.success) return;
  const { agentUrls, bundlePem, retryAfterMaxMs } = news.data;
  if (agentUrls !== undefined) addresses.add(agentUrls);
  if (retryAfterMaxMs !== undefined) onReturn(retryAfterMaxMs);
  if (bundlePem === undefined) return;
  try {
    if (await identity.takeBundle(bundlePem)) log.info('labd has other roots now; they are trusted from here on');
  } catch (error) {
    log.warn('the new CA bundle could not be taken', { error });
  }
}
