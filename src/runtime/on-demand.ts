import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * A module that is loaded when it is first asked for, and then at once: what a process never uses costs it neither time nor memory. `address` has to be
 * written as a `new URL` of the neighbour's name and `import.meta.url`, so that the module is found when the program is put together.
 */
export function onDemand<Module>(address: URL): () => Module {
  let loaded: Module | undefined
  return () => {
    loaded ??= createRequire(address)(fileURLToPath(address)) as Module
    return loaded
  }
}
