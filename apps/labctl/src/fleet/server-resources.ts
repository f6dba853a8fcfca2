/** Servers and agents, as `get` and `describe` show them. */
import { type Agent, type Server, serverStatuses } from '@labmesh/wire/fleet/resources/servers';
import { agentView, serverView, sizeText } from '../output/server-views.ts';
import { type Filters, moment, oneOf, type Resource } from './resource.ts';

const serverFilters = ['selector', 'env', 'cloud', 'role', 'status', 'match'] as const;

/** Servers and agents are narrowed alike. */
const serverQuery = ({ selector, env, cloud, role, status, match }: Filters) => ({
  label: selector,
  environment: env,
  cloud,
  role,
  status: oneOf('status', status, serverStatuses),
  q: match,
});

export const serverResource: Resource<Server> = {
  type: 'server',
  view: serverView,
  filters: serverFilters,
  list: (labd, filters) => labd.listAll('list-servers', { query: serverQuery(filters) }),
  get: (labd, name) => labd.call('get-server', { params: { id: name } }),
  async describe(labd, server, now) {
    const facts = await labd.call('get-facts', { params: { id: server.id } });
    return {
      object: { ...server, facts },
      fields: [
        ['Name', server.hostname],
        ['Id', server.id],
        ['Status', server.status],
        ['Last seen', moment(server.lastSeenAt, now)],
        ['Environment', server.environment],
        ['Role', server.role],
        ['Cloud', server.cloud],
        ['Labels', server.labels],
        ['IP', server.ip],
        ['MACs', server.macs],
        ['Machine id', server.machineId],
        ['System', [server.os, server.arch].filter((part) => part !== null).join(' ')],
        ['CPUs', server.cpus],
        ['Memory', sizeText(server.memoryBytes)],
        ['GPUs', server.gpus],
        ['Agent', server.agentVersion],
        ['Created', moment(server.createdAt, now)],
        ['Facts', facts],
      ],
    };
  },
};

export const agentResource: Resource<Agent> = {
  type: 'agent',
  view: agentView,
  filters: serverFilters,
  list: (labd, filters) => labd.listAll('list-agents', { query: serverQuery(filters) }),
  get: (labd, name) => labd.call('get-agent', { params: { id: name } }),
  describe(_labd, agent, now) {
    return {
      object: agent,
      fields: [
        ['Name', agent.hostname],
        ['Id', agent.id],
        ['Server id', agent.serverId],
        ['Status', agent.status],
        ['Version', agent.version],
        ['Ring', agent.ring],
        ['Pinned to', agent.pin],
        ['Should run', agent.desiredVersion],
        ['Update', agent.updateState],
        ['Bad versions', agent.badVersions],
        ['Connected', moment(agent.connectedAt, now)],
        ['Last seen', moment(agent.lastSeenAt, now)],
        ['Replica', agent.replicaId],
        ['Key', `sha256:${agent.keyHash}`],
        ['Bundle', agent.bundle],
        ['Approved', moment(agent.approvedAt, now)],
        ['Created', moment(agent.createdAt, now)],
      ],
    };
  },
};
