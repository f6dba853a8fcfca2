/** Nodes: sites that offer models through the tunnel. */
import { type FleetNode, type FleetNodeDetail, nodeStatuses } from '@labmesh/wire/fleet/resources/nodes';
import { nodeView } from '../output/node-views.ts';
import { moment, oneOf, type Resource } from './resource.ts';

/** `sha256:` and groups of eight, for comparing by eye (tunnel K2). */
const grouped = (fingerprint: string | null): string | null =>
  fingerprint?.replace(/[0-9a-f]{8}(?=[0-9a-f])/g, '$& ') ?? null;

export const nodeResource: Resource<FleetNode & Partial<FleetNodeDetail>> = {
  type: 'node',
  view: nodeView,
  filters: ['status', 'match'],
  list: (labd, { status, match }) =>
    labd.listAll('list-nodes', { query: { status: oneOf('status', status, nodeStatuses), q: match } }),
  get: (labd, name) => labd.call('get-node', { params: { id: name } }),
  describe(_labd, node, now) {
    return {
      object: node,
      fields: [
        ['Name', node.name],
        ['Id', node.id],
        ['Status', node.status],
        ['State', node.state],
        ['Mode', node.mode],
        ['Error', node.error],
        ['Last seen', moment(node.lastSeenAt, now)],
        ['Registered', moment(node.registeredAt, now)],
        ['Created', moment(node.createdAt, now)],
        ['Version', node.version],
        ['Region', node.region],
        ['Tenant', node.tenant === '' ? null : node.tenant],
        ['Description', node.description],
        ['Endpoints', `${node.healthyEndpoints} of ${node.totalEndpoints} healthy`],
        ['Requests', `${node.activeRequests} active, ${node.totalRequests} in all, ${node.totalErrors} failed`],
        ['Models', node.modelIds ?? []],
        ['Slugs', node.slugs],
        ['Address', node.address],
        ['WireGuard', node.wireguardPublicKey],
        ['Rosenpass', grouped(node.rosenpassSha256)],
      ],
    };
  },
};
