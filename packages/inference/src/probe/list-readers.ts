import { asArray, asObject, asPositive, asText, type JsonObject } from './read-json.ts';
import type { Facts, ListedModel } from './kind.ts';

/** Readers of what engines say of their models. Each gives undefined for a shape that is not its own. */

const objectsOf = (value: unknown): JsonObject[] | undefined =>
  asArray(value)?.flatMap((item) => {
    const object = asObject(item);
    return object === undefined ? [] : [object];
  });

const smallest = (...values: Array<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};

/** Leaves out what is undefined: an absent field stays absent in the model. */
function listed(
  id: unknown,
  rest: { [Key in keyof Omit<ListedModel, 'id'>]: ListedModel[Key] | undefined },
): ListedModel {
  const known = Object.entries(rest).filter(([, value]) => value !== undefined);
  return { id, ...(Object.fromEntries(known) as Omit<ListedModel, 'id'>) };
}

/** llama.cpp's router puts `status.value`, ours and others put `loaded`. */
function loadedOf(entry: JsonObject): boolean | undefined {
  const status = asText(asObject(entry['status'])?.['value']) ?? asText(entry['status']);
  if (status !== undefined) return status === 'loaded' || status === 'ready';
  return typeof entry['loaded'] === 'boolean' ? entry['loaded'] : undefined;
}

/** `{object:"list", data:[{id, created?, owned_by?, max_model_len?, meta?…}]}`, the form of OpenAI and most engines. */
export function openaiList(json: unknown): ListedModel[] | undefined {
  return objectsOf(asObject(json)?.['data'])?.map((entry) => {
    const meta = asObject(entry['meta']);
    return listed(entry['id'], {
      created: asPositive(entry['created']),
      ownedBy: asText(entry['owned_by']),
      contextLength: smallest(
        asPositive(entry['max_model_len']),
        asPositive(entry['context_length']),
        asPositive(meta?.['n_ctx']) ?? asPositive(meta?.['n_ctx_train']),
      ),
      loaded: loadedOf(entry),
    });
  });
}

/** As openaiList, for engines that serve only what is in memory. */
export function residentList(json: unknown): ListedModel[] | undefined {
  return openaiList(json)?.map((model) => ({ ...model, loaded: model.loaded ?? true }));
}

/** Ollama's `/api/tags`. A model with `remote_host` runs in a cloud, not here: hidden. */
export function ollamaTags(json: unknown): ListedModel[] | undefined {
  return objectsOf(asObject(json)?.['models'])
    ?.filter((entry) => asText(entry['remote_host']) === undefined)
    .map((entry) => {
      const modified = Date.parse(asText(entry['modified_at']) ?? '');
      return listed(entry['name'] ?? entry['model'], {
        created: Number.isNaN(modified) ? undefined : Math.floor(modified / 1_000),
        ownedBy: 'library',
        contextLength: undefined,
        loaded: undefined,
      });
    });
}

/** Ollama's `/api/ps`: what is in memory. */
export function ollamaRunning(json: unknown): Set<string> | undefined {
  const entries = objectsOf(asObject(json)?.['models']);
  return entries && new Set(entries.flatMap((entry) => asText(entry['name']) ?? asText(entry['model']) ?? []));
}

/** LM Studio's `/api/v1/models`: `key`, `loaded_instances`, `max_context_length`. */
export function lmstudioList(json: unknown): ListedModel[] | undefined {
  return objectsOf(asObject(json)?.['models'])?.map((entry) => {
    const instances = objectsOf(entry['loaded_instances']) ?? [];
    const lengths = instances.map((instance) => asPositive(asObject(instance['config'])?.['context_length']));
    return listed(entry['key'], {
      created: undefined,
      ownedBy: asText(entry['publisher']),
      contextLength: smallest(asPositive(entry['max_context_length']), ...lengths),
      loaded: instances.length > 0,
    });
  });
}

/** LM Studio's older `/api/v0/models`: `state`. */
export function lmstudioOldList(json: unknown): ListedModel[] | undefined {
  return objectsOf(asObject(json)?.['data'])?.map((entry) =>
    listed(entry['id'], {
      created: undefined,
      ownedBy: asText(entry['publisher']),
      contextLength: smallest(asPositive(entry['max_context_length']), asPositive(entry['loaded_context_length'])),
      loaded: asText(entry['state']) === undefined ? undefined : entry['state'] === 'loaded',
    }),
  );
}

/** TGI's `/info`: the one model it serves. */
export function tgiInfoList(json: unknown): ListedModel[] | undefined {
  const id = asText(asObject(json)?.['model_id']);
  return id === undefined ? undefined : [{ id, loaded: true }];
}

/** SGLang's `/model_info`. */
export function sglangInfoList(json: unknown): ListedModel[] | undefined {
  const id = asText(asObject(json)?.['served_model_name']) ?? asText(asObject(json)?.['model_path']);
  return id === undefined ? undefined : [{ id, loaded: true }];
}

/** llama-swap's `/running`: `{running:[{model, state}]}`. */
export function llamaswapRunning(json: unknown): Set<string> | undefined {
  const entries = objectsOf(asObject(json)?.['running']);
  if (entries === undefined) return undefined;
  return new Set(
    entries.filter((entry) => entry['state'] === 'ready').flatMap((entry) => asText(entry['model']) ?? []),
  );
}

export function versionFact(json: unknown): Facts | undefined {
  const version = asText(asObject(json)?.['version']);
  return version === undefined ? undefined : { version };
}

/** llama.cpp's `/props`; in router mode it has no slots of its own. */
export function llamacppProps(json: unknown): Facts | undefined {
  const props = asObject(json);
  if (props === undefined) return undefined;
  return {
    version: asText(props['build_info']),
    contextLength: asPositive(asObject(props['default_generation_settings'])?.['n_ctx']),
    capacity: asPositive(props['total_slots']),
  };
}

export function tgiInfo(json: unknown): Facts | undefined {
  const info = asObject(json);
  return info && { version: asText(info['version']), contextLength: asPositive(info['max_total_tokens']) };
}
