import { HeadraceError } from '../runtime/errors.ts'
import type { Checked } from './checked-edge.ts'
import { ConfigError } from './errors.ts'
import { type LoadedEdge, loadEdge } from './load.ts'

/** Analysers say themselves what is wrong with their modules, at its place in the file: they need the document. */
const NEEDED_WHOLE: Checked = { outcome: 'needed_whole' }

function check(file: string): Checked {
  try {
    return plain(loadEdge(file))
  } catch (error) {
    if (error instanceof ConfigError) return { outcome: 'wrong', issues: error.issues }
    if (!(error instanceof HeadraceError)) throw error
    const { code, message, advice } = error
    return { outcome: 'failed', code, message, ...(advice !== undefined && { advice }) }
  }
}

function plain({ config, pipelines }: LoadedEdge): Checked {
  if (pipelines.some(({ config: { analysers } }) => Object.keys(analysers).length > 0)) return NEEDED_WHOLE
  return { outcome: 'right', config, pipelines: pipelines.map(({ document: _, ...rest }) => rest) }
}

process.send?.(check(process.argv[2] ?? ''))
