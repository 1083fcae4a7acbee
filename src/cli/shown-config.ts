import { ConfigDocument } from '../config/document.ts'
import { jsonSchemas, type LoadedPipeline, loadAny, loadCore, loadEdge, loadPipelines } from '../config/load.ts'
import { type ShownValue, shownValues } from '../config/shown-values.ts'
import { HeadraceError } from '../runtime/errors.ts'

export interface ShownFile {
  readonly file: string
  readonly values: readonly ShownValue[]
}

/** Every value of a configuration and of the pipelines that it names. Throws as loading them does. */
export function shownConfig(file: string): ShownFile[] {
  const schemas = jsonSchemas()
  const kind = loadAny(file)
  const shown = (pipelines: readonly LoadedPipeline[], hardware?: string) =>
    pipelines.map(({ file: own, config, document }) => {
      const profiled = new Map(hardware === undefined ? [] : [['durability', hardware] as const])
      return { file: own, values: shownValues(config, document, schemas.pipeline, profiled) }
    })
  switch (kind) {
    case 'edge': {
      const { config, pipelines } = loadEdge(file)
      const values = shownValues(config, ConfigDocument.read(file), schemas.edge)
      return [{ file, values }, ...shown(pipelines, config.hardware)]
    }
    case 'core': {
      const { config, pipelines } = loadCore(file)
      return [{ file, values: shownValues(config, ConfigDocument.read(file), schemas.core) }, ...shown(pipelines)]
    }
    case 'pipeline':
      return shown(loadPipelines([file]))
    case 'tests':
      throw new HeadraceError('config_invalid', `${file} is a file of tests`, {
        advice: 'Name edge.yaml, core.yaml or a pipeline.',
      })
  }
}
