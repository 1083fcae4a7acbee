/** A source of records, by the names that a person gave. Pipelines, sources, jobs and gateways are named alike. */
export interface SourceId {
  readonly gateway: string
  readonly source: string
}

/** What is said of a name that does not fit {@link NAME_PATTERN}. */
export const NAME_RULE = 'is no name: lower-case letters, digits and -, at most 63, beginning with a letter or digit'
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/

/** `<gateway>/<source>`: the record's key in Kafka, and the source's name wherever one string is needed. */
export function sourceKey(id: SourceId): string {
  return `${id.gateway}/${id.source}`
}

/** The reverse of {@link sourceKey}; undefined where the text is not one. */
export function parseSourceKey(key: string): SourceId | undefined {
  const [gateway, source, ...rest] = key.split('/')
  if (gateway === undefined || source === undefined || rest.length > 0) return undefined
  return NAME_PATTERN.test(gateway) && NAME_PATTERN.test(source) ? { gateway, source } : undefined
}

/** Whether a glob (`*` and `?`) matches a source, or, where it holds a `/`, the source with its gateway. */
export function matchesSource(glob: string, id: SourceId): boolean {
  const subject = glob.includes('/') ? sourceKey(id) : id.source
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  return new RegExp(`^${pattern}$`).test(subject)
}
