/** One word for a POSIX shell: bare when nothing in it is special, else in single quotes. */
export function shellQuote(text: string): string {
  return /^[\w%+,./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Text inside double quotes, where a `$(…)` beside it must still work. */
export function shellInDoubleQuotes(text: string): string {
  return text.replace(/["$`\\]/g, '\\$&');
}
