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

/** The gateway under whose name derived streams are written: `analysers/<stream>`. No gateway may be called so. */
export const STREAM_GATEWAY = 'analysers'

/**
 * Whether the globs of a job or an analyser name a source. `*` means the devices: a derived stream has to be named with its gateway, or a job that has
 * been there for long would be given other records by an analyser that is new.
 */
export function namesSource(globs: readonly string[], id: SourceId): boolean {
  const named = id.gateway === STREAM_GATEWAY ? globs.filter(glob => glob.startsWith(`${STREAM_GATEWAY}/`)) : globs
  return named.some(glob => matchesSource(glob, id))
}

/** Whether a glob (`*` and `?`) matches a source, or, where it holds a `/`, the source with its gateway. */
export function matchesSource(glob: string, id: SourceId): boolean {
  const subject = glob.includes('/') ? sourceKey(id) : id.source
  return matchesGlob(glob, subject)
}

/**
 * Whether a glob fits all of a text; neither `*` nor `?` fits a `/`. In at most glob × text steps: as a regular expression, thirty stars took longer
 * than anybody waits, and whoever may ask a process may not stop it.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let at = 0
  let star = -1
  let starText = 0
  let of = 0
  while (at < text.length) {
    const wanted = glob[of]
    if (wanted === '*') {
      star = of++
      starText = at
    } else if (wanted !== undefined && (wanted === text[at] || (wanted === '?' && text[at] !== '/'))) {
      of += 1
      at += 1
    } else if (star >= 0 && text[starText] !== '/') {
      // The last star takes one character more.
      of = star + 1
      at = ++starText
    } else return false
  }
  while (glob[of] === '*') of += 1
  return of === glob.length
}
