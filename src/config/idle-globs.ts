import { matchesGlob, STREAM_GATEWAY } from '../runtime/names.ts'
import { nearest } from '../runtime/nearest.ts'
import type { ConfigIssue } from './errors.ts'
import type { LoadedPipeline } from './load.ts'

const STREAMS = `${STREAM_GATEWAY}/`
/** What of a source was dead and was retried has a name of its own. */
const RETRIED = '-retried'

/**
 * Globs of jobs and analysers that fit none of the sources in the files. Most are misspelt; but a source that was taken out of its file may still be read,
 * so that this is a remark and no error. Whatever names a gateway is left alone, and so are files that name no sources: others do, elsewhere.
 */
export function idleGlobs(pipelines: readonly LoadedPipeline[]): ConfigIssue[] {
  const streams = pipelines.flatMap(({ config }) =>
    Object.values(config.analysers).flatMap(options => ('stream' in options && options.stream ? [options.stream.name] : [])),
  )
  return pipelines.flatMap(({ config, document, topic }) => {
    const sources = pipelines.flatMap(each => (each.topic === topic ? Object.keys(each.config.sources) : []))
    const remark = (path: readonly (string | number)[], glob: string): ConfigIssue[] => {
      const isStream = glob.startsWith(STREAMS)
      const known = isStream ? streams : sources
      const name = isStream ? glob.slice(STREAMS.length) : glob
      if (name.includes('/') || (!isStream && (known.length === 0 || name.endsWith(RETRIED)))) return []
      if (known.some(each => matchesGlob(name, each))) return []
      // A derived stream is named with what makes it one; without that it is taken for a source.
      const stream = isStream ? nearest(name, streams) : streams.find(each => matchesGlob(name, each))
      const meant = stream === undefined ? (isStream ? undefined : nearest(name, known)) : `${STREAMS}${stream}`
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`
      const what = isStream ? 'no derived stream' : 'none of the sources'
      return [document.issue(path, `"${glob}" fits ${what} in these files${hint}`)]
    }
    return (['batch', 'analysers'] as const).flatMap(part =>
      Object.entries<{ readonly sources: readonly string[] }>(config[part]).flatMap(([name, options]) =>
        options.sources.flatMap((glob, index) => remark([part, name, 'sources', index], glob)),
      ),
    )
  })
}
