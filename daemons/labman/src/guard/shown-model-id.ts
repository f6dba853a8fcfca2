const pathLike = /^(?:\/|~|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\\\)/;

/**
 * A model id as it may be shown: engines without an alias use the path of the file, which tells about the machine; of
 * that only the last part is left (network plane S13). Ids such as `Qwen/Qwen3-8B` are no paths.
 */
export function shownModelId(id: string): string {
  return pathLike.test(id) ? (id.split(/[/\\]/).findLast((part) => part !== '') ?? 'model') : id;
}
