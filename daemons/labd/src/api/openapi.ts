/** The OpenAPI 3.1 document, from the operations table: what it says is what is served. */
import { fleetErrors } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import { fleetOperations } from '@labmesh/wire/fleet/operations';
import { z } from 'zod';

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output') =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any' });

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'requestId'],
      properties: {
        code: { type: 'string', enum: Object.keys(fleetErrors) },
        message: { type: 'string' },
        field: { type: 'string' },
        hint: { type: 'string' },
        requestId: { type: 'string' },
        retryAfterMs: { type: 'integer' },
      },
    },
  },
};

function parameters(operation: FleetOperation) {
  const inPath = [...operation.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  if (operation.query === undefined) return inPath;
  const { properties = {}, required = [] } = jsonSchema(operation.query, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  const inQuery = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
  return [...inPath, ...inQuery];
}

function describe(operation: FleetOperation) {
  const { access } = operation;
  const needs =
    access.rule === 'may'
      ? `Needs ${access.verb} on ${access.kind}.`
      : access.rule === 'own'
        ? `For ${access.kinds.join(', ')}.`
        : access.rule === 'any'
          ? 'Needs an identity.'
          : 'Open.';
  const content =
    operation.output === null ? undefined : { 'application/json': { schema: jsonSchema(operation.output, 'output') } };
  return {
    operationId: operation.name,
    summary: operation.summary,
    description: needs,
    ...(access.rule === 'public' && { security: [] }),
    parameters: parameters(operation),
    ...(operation.body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchema(operation.body, 'input') } } },
    }),
    responses: {
      [String(operation.status ?? 200)]: { description: operation.summary, ...(content !== undefined && { content }) },
      default: {
        description: 'An error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

/** The document, once made. */
export function openapiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of fleetOperations as readonly FleetOperation[]) {
    for (const path of [operation.path, ...(operation.aliases ?? [])]) {
      const key = path.replace(/:(\w+)/g, '{$1}');
      const isAlias = path !== operation.path;
      const method = operation.method.toLowerCase();
      paths[key] = {
        ...paths[key],
        [method]: {
          ...describe(operation),
          ...(isAlias && { operationId: `${operation.name}-alias`, deprecated: true }),
        },
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'labmesh labd',
      version,
      description: 'Control plane of the fleet: identities, access, audit, servers, sessions.',
    },
    paths,
    components: {
      schemas: { Error: errorSchema },
      securitySchemes: { session: { type: 'http', scheme: 'bearer' }, certificate: { type: 'mutualTLS' } },
    },
    security: [{ certificate: [] }, { session: [] }],
  };
}
