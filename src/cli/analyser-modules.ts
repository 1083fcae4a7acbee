import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnalyserModule } from '../analyser/define-analyser.ts'
import { asModule } from '../analyser/module.ts'
import { ConfigError, type ConfigIssue } from '../config/errors.ts'
import type { CheckedPipeline, LoadedPipeline } from '../config/load.ts'
import { messageOf } from '../runtime/errors.ts'
import { offerAnalyserApi } from './analyser-api.ts'

/** Analysers that somebody wrote, by the path of their file. */
export type AnalyserModules = ReadonlyMap<string, AnalyserModule>

export function modulePath(pipeline: CheckedPipeline, module: string): string {
  return resolve(pipeline.folder, module)
}

/** Loads every module that pipelines name. Throws {@link ConfigError} at the place that names one which cannot be loaded or is no analyser. */
export async function loadAnalyserModules(pipelines: readonly CheckedPipeline[]): Promise<AnalyserModules> {
  const modules = new Map<string, AnalyserModule>()
  const issues: ConfigIssue[] = []
  const endOffer = offerAnalyserApi()
  try {
    for (const pipeline of pipelines.filter(hasText)) {
      for (const [name, options] of Object.entries(pipeline.config.analysers)) {
        if (!('module' in options)) continue
        const path = modulePath(pipeline, options.module)
        const issue = (what: string) => pipeline.document.issue(['analysers', name, 'module'], `module ${options.module} ${what}`)
        try {
          const { default: exported } = (await import(pathToFileURL(path).href)) as { default?: unknown }
          const module = asModule(exported)
          if (module) modules.set(path, module)
          else
            issues.push(
              issue('has no analyser as its default export: write export default defineAnalyser({ initial, onRecord })'),
            )
        } catch (error) {
          issues.push(issue(`cannot be loaded: ${messageOf(error)}`))
        }
      }
    }
  } finally {
    endOffer()
  }
  if (issues.length > 0) throw new ConfigError(issues)
  return modules
}

/** All that have analysers come with their text (config/checked-edge.ts). */
function hasText(pipeline: CheckedPipeline): pipeline is LoadedPipeline {
  return 'document' in pipeline
}
