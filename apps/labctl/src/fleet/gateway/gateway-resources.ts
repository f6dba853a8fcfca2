/** API keys and aliases of models: the gateway's own, asked by its admin routes. */
import type { KeyRow, ServedModel } from '@labmesh/wire/admin';
import type { RunningGateway } from '../../client/running-gateway.ts';
import { aliasView, keyView } from '../../output/gateway-views.ts';
import { moment, oneOf, pick, type Resource } from '../resource.ts';

async function readKeys(gateway: RunningGateway): Promise<KeyRow[]> {
  const { keyListSchema } = await import('@labmesh/wire/admin');
  return (await gateway.ask('GET', '/keys', keyListSchema)).keys;
}

async function readAliases(gateway: RunningGateway): Promise<ServedModel[]> {
  const { servedModelListSchema } = await import('@labmesh/wire/admin');
  return (await gateway.ask('GET', '/models', servedModelListSchema)).models.filter(({ alias }) => alias);
}

const list = <T>(items: readonly T[]) => ({ items, nextCursor: null });

export const keyResource: Resource<KeyRow, RunningGateway> = {
  type: 'key',
  from: 'gateway',
  view: keyView,
  filters: ['status', 'match'],
  async list(gateway, { status, match }) {
    const state = oneOf('status', status, ['active', 'revoked']);
    const fits = ({ id, name, revokedAt }: KeyRow) =>
      (state === undefined || (revokedAt === undefined) === (state === 'active')) &&
      (match === undefined || name.includes(match) || id.includes(match));
    return list((await readKeys(gateway)).filter(fits));
  },
  get: async (gateway, name) => pick(await readKeys(gateway), 'key', name, ({ id }) => id === name),
  describe(_gateway, one, now) {
    return {
      object: one,
      fields: [
        ['Id', one.id],
        ['Name', one.name],
        ['State', one.revokedAt === undefined ? 'active' : 'revoked'],
        ['Tenant', one.tenant],
        ['Scopes', one.scopes],
        ['Verification', one.verification],
        ['Variations', one.variations],
        ['Created', moment(one.createdAt, now)],
        ['Last used', moment(one.lastUsedAt ?? null, now)],
        ['Revoked', moment(one.revokedAt ?? null, now)],
        ['Requests', one.requests],
        ['Tokens', `${one.promptTokens} in, ${one.completionTokens} out`],
      ],
      below: `\nlabctl keys edit ${one.id} changes its rights, labctl keys revoke ${one.id} ends it\n`,
    };
  },
};

export const aliasResource: Resource<ServedModel, RunningGateway> = {
  type: 'alias',
  from: 'gateway',
  view: aliasView,
  filters: ['match'],
  async list(gateway, { match }) {
    const found = await readAliases(gateway);
    return list(match === undefined ? found : found.filter(({ id }) => id.includes(match)));
  },
  get: async (gateway, name) => pick(await readAliases(gateway), 'alias', name, ({ id }) => id === name),
  describe(_gateway, one) {
    return {
      object: one,
      fields: [
        ['Name', one.id],
        ['Model', one.target],
        ['Endpoints', one.endpoints],
        ['Loaded', one.loaded],
        ['Context', one.contextLength],
      ],
      below: '\nan alias stands in labmesh.toml: [models.NAME] with its model_id\n',
    };
  },
};
