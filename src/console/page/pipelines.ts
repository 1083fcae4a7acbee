import { get } from './api.ts'
import { empty, h } from './dom.ts'
import type { PageMaker } from './page.ts'
import { Picture, type Pipeline } from './picture.ts'

/** Each pipeline as a picture, from device to partition to readers, with what flows. */
export const pipelinesPage: PageMaker = ({ model }) => {
  const place = h('div', { class: 'page' }, h('div', { class: 'card' }, empty('Loading', 'One moment.')))
  let pictures: Picture[] = []
  get<Pipeline[]>('/api/core/pipelines').then(
    found => {
      pictures = found.map(pipeline => new Picture(pipeline, model))
      const nothing = h(
        'div',
        { class: 'card' },
        empty(
          'This core knows no pipeline',
          'List pipeline files under `pipelines` in core.yaml: then their jobs and analysers run here.',
        ),
      )
      place.replaceChildren(...(pictures.length > 0 ? pictures.map(picture => picture.node) : [nothing]))
      for (const picture of pictures) picture.update()
    },
    (error: Error) => place.replaceChildren(h('div', { class: 'card' }, empty('The pipelines could not be read', error.message))),
  )
  return {
    title: 'Pipelines',
    node: h('div', { class: 'page' }, h('h1', {}, 'Pipelines'), place),
    update() {
      for (const picture of pictures) picture.update()
    },
  }
}
