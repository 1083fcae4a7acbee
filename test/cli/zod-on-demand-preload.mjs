import { registerHooks } from 'node:module'

/** Stands in for zod what stands for it in a bundle (scripts/bundle/compile.ts). */
const STAND_IN = new URL('../../src/runtime/zod-on-demand.ts', import.meta.url).href
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'zod' && /\/src\/(?!.*zod-itself)/.test(context.parentURL ?? '') && !context.parentURL?.includes('node_modules')
      ? { url: STAND_IN, shortCircuit: true }
      : next(specifier, context),
})
