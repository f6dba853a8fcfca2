/**
 * What a node tells of itself, made fit to be kept (H15): rebuilt from known fields, on one line, without control
 * characters. The schemas of the wire bound its size; nothing in it names another node, and times are those of arrival.
 */
import type { NodeCapabilities, NodeHeartbeatRequest, NodeInfo } from '@labmesh/wire/node';

/** For terminals and pages: a name must not move the cursor. */
export const plainText = (text: string): string => text.replaceAll(/[\p{Cc}\p{Bidi_Control}]+/gu, ' ').toWellFormed();

const plainOrNull = (text: string | undefined): string | null => (text === undefined ? null : plainText(text));

type Model = NodeCapabilities['models'][number];
type Slug = NonNullable<NodeCapabilities['slugs']>[number];

const keptModel = ({ id, created, owned_by: owner, context_length }: Model) => ({
  id: plainText(id),
  created,
  owned_by: owner === undefined ? undefined : plainText(owner),
  context_length,
});
/** The schema has taken out what it does not know. */
const keptSlug = (slug: Slug) => ({ ...slug, endpoint: plainText(slug.endpoint), model_id: plainText(slug.model_id) });

/** What lists show without reading thousands of models. */
export type CapabilitySizes = { models: number; slugs: number; endpoints: number };

/** Columns of capabilities. Metadata of the node's own stays with the node. */
function keptCapabilities(told: NodeCapabilities): { capabilities: string; info: string } {
  const { endpoint_count, max_concurrent_requests, supports_streaming, supports_chat, supports_completions, rev } =
    told;
  const numbers = { endpoint_count, max_concurrent_requests, supports_streaming, supports_chat, supports_completions };
  const [models, slugs] = [told.models.map(keptModel), (told.slugs ?? []).map(keptSlug)];
  const sizes: CapabilitySizes = { models: models.length, slugs: slugs.length, endpoints: endpoint_count };
  return { capabilities: JSON.stringify({ ...numbers, rev, models, slugs }), info: JSON.stringify(sizes) };
}

/** Columns of a registration. */
export const keptInfo = (info: NodeInfo) => ({
  region: plainOrNull(info.region),
  description: plainOrNull(info.description),
  version: plainText(info.version),
  ...keptCapabilities(info.capabilities),
});

/** Columns of a heartbeat; capabilities only when it brought some. */
export function keptBeat({ status, mode, tunnel, capabilities }: NodeHeartbeatRequest) {
  const { node_id: _, error_message: error, ...numbers } = status;
  const kept = { ...numbers, error_message: error === undefined ? undefined : plainText(error), tunnel };
  return {
    status: JSON.stringify(kept),
    mode: mode ?? null,
    ...(capabilities !== undefined && keptCapabilities(capabilities)),
  };
}
