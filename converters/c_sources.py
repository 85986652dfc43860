"""A bundle as C sources: its graphs, its plan, and the controller's files."""

import pathlib
import re
import string

import numpy as np

from converters import tflm_ops
from ddi_tf import new_folder

SOURCES = pathlib.Path(__file__).parent / "c"
_COPIED = ("ddi_controller.c", "ddi_controller.h")
_README = "README.txt"

_GRAPH_ALIGNMENT = 16   # bytes; TFLM reads a graph where it lies
_BYTES_PER_LINE = 16
_MADE = "/* Written by `python -m converters.micro`; do not edit. */\n"

_ALIGN = f"""\
#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#include <stdalign.h>
#define DDI_ALIGNED alignas({_GRAPH_ALIGNMENT})
#elif defined(__GNUC__) || defined(__clang__)
#define DDI_ALIGNED __attribute__((aligned({_GRAPH_ALIGNMENT})))
#else
#error "C99 without GNU extensions cannot align an array: compile this as C11."
#endif
"""


def files(bundle, plan, operations, arena_bytes):
    """What to write: file name -> text, of everything but the report.

    Args:
        bundle: `bundle.Bundle`.
        plan: `c_plan.Plan` of it.
        operations: its graphs' operations, keys of `tflm_ops.ADD_METHODS`.
        arena_bytes: that the largest graph needs.
    """
    return {
        **{name: (SOURCES / name).read_text(encoding="utf-8")
           for name in _COPIED},
        "ddi_graphs.h": _graphs_header(len(bundle.graphs)),
        "ddi_graphs.c": _graphs_source(bundle),
        "ddi_plan.h": _plan_header(bundle, plan, arena_bytes),
        "ddi_plan.c": _plan_source(bundle, plan),
        "ddi_ops.h": _ops_header(operations),
        _README: _readme(bundle, plan, arena_bytes)}


def write(output, texts):
    """Writes a folder; all of it or nothing.

    Args:
        output: path of the folder, not existing.
        texts: file name -> text.
    """
    with new_folder.written(output) as folder:
        for name, text in texts.items():
            # The same bytes on every system.
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


def graph_bytes(bundle):
    """Flash that all graphs take, bytes, with what aligns them."""
    return sum(-len(bundle.content(name)) // _GRAPH_ALIGNMENT
               * -_GRAPH_ALIGNMENT for name in bundle.graphs)


def _graphs_header(count):
    return _header("ddi_graphs.h", f"""\
/* Every graph as a .tflite file, by its number in the plan. */
#define DDI_GRAPHS {count}
extern const unsigned char *const ddi_graphs[DDI_GRAPHS];
extern const unsigned int ddi_graph_bytes[DDI_GRAPHS];
""")


def _graphs_source(bundle):
    contents = [bundle.content(name) for name in bundle.graphs]
    arrays = "\n".join(
        f"/* {_comment(name)} */\n"
        f"DDI_ALIGNED static const unsigned char graph_{number}[] = {{\n"
        f"{_byte_lines(content)}\n}};"
        for number, (name, content) in enumerate(zip(bundle.graphs, contents)))
    return (f'{_MADE}#include "ddi_graphs.h"\n\n{_ALIGN}\n{arrays}\n\n'
            "const unsigned char *const ddi_graphs[DDI_GRAPHS] = {\n"
            + _rows(f"graph_{number}" for number in range(len(contents)))
            + "};\n\nconst unsigned int ddi_graph_bytes[DDI_GRAPHS] = {\n"
            + _rows(len(content) for content in contents) + "};\n")


def _plan_header(bundle, plan, arena_bytes):
    height, width, _ = bundle.manifest.input.shape
    image = bundle.graphs[bundle.manifest.plan.stem].inputs[0]
    points = "".join(
        f"#define DDI_POINT_{name} {number}\n"
        for number, name in enumerate(_point_names(plan)))
    thresholds = points and (
        "\n/* Operating points: entropy in nats per early exit. */\n"
        f"{points}#define DDI_POINTS {len(plan.points)}\n"
        "extern const float ddi_thresholds[DDI_POINTS][DDI_EXITS];\n")
    return _header("ddi_plan.h", f"""\
#define DDI_IMAGE_HEIGHT {height}
#define DDI_IMAGE_WIDTH {width}
#define DDI_IMAGE_CHANNELS {plan.channels}
#define DDI_STEPS {len(plan.steps)}
#define DDI_EXITS {len(plan.exits) - 1}  /* early ones, without the head */
#define DDI_LABELS {len(plan.labels)}
#define DDI_CHEAPEST_MACS {plan.cheapest_macs}u  /* least for a max_macs */
#define DDI_WORK_FLOATS {plan.work_floats}
/* Of the largest graph, with TFLM's reference kernels; others may need more. */
#define DDI_ARENA_BYTES {arena_bytes}

/* The stem's int8 input: value = scale (q - zero point), of (pixel - mean) /
 * std per channel; scale {_real(image.scale)},
 * zero point {image.zero_point}. */
extern const ddi_plan ddi_bundle_plan;
extern const char *const ddi_labels[DDI_LABELS];
{thresholds}""", '#include "ddi_controller.h"\n\n')


def _plan_source(bundle, plan):
    parts = [f'{_MADE}#include "ddi_plan.h"\n', *_tables(plan),
             *(_variants(number, step, bundle.manifest.plan.steps[number])
               for number, step in enumerate(plan.steps) if step.variants)]
    if plan.steps:
        parts.append("static const ddi_step steps[DDI_STEPS] = {\n" + "".join(
            f"    {{UINT64_C({step.settled}), "
            f"{f'variants_{number}' if step.variants else '0'}, "
            f"{', '.join(map(str, step[2:-2]))}, "
            f"{len(step.variants)}, {int(step.skippable)}, {step.zero}}},\n"
            for number, step in enumerate(plan.steps)) + "};\n")
    parts.append(_struct(plan))
    if plan.points:
        parts.append(
            "const float ddi_thresholds[DDI_POINTS][DDI_EXITS] = {\n" + "".join(
                f"    {{{', '.join(map(_real, values))}}},\n"
                for _, values in plan.points) + "};\n")
    parts.append("const char *const ddi_labels[DDI_LABELS] = {\n"
                 + _rows(map(_text, plan.labels)) + "};\n")
    return "\n".join(parts)


def _tables(plan):
    return (
        f"static const int8_t pixels[{plan.pixels.size}] = {{\n"
        + _rows(plan.pixels.ravel().tolist()) + "};\n",
        f"static const uint32_t graph_macs[{len(plan.graph_macs)}] = {{\n"
        + _rows(f"{macs}u" for macs in plan.graph_macs) + "};\n",
        "static const ddi_exit exits[DDI_EXITS + 1] = {\n" + "".join(
            f"    {{{_real(exit_.scale)}, {exit_.graph}}},\n"
            for exit_ in plan.exits) + "};\n")


def _variants(number, step, named):
    rows = "".join(
        f"    {{UINT64_C({variant.groups}), {variant.macs}u, {variant.graph}, "
        f"{int(variant.masked)}, {variant.closed}, {variant.open}}},\n"
        for variant in step.variants)
    return (f"/* {_comment(named.name)} */\nstatic const ddi_variant "
            f"variants_{number}[{len(step.variants)}] = {{\n{rows}}};\n")


def _struct(plan):
    steps = "steps" if plan.steps else "0"
    fields = (plan.image_bytes, plan.stem_bytes, plan.cheapest_macs,
              plan.layer_state_bytes, plan.channel_state_bytes,
              plan.scratch_at, plan.features_at)
    return ("const ddi_plan ddi_bundle_plan = {\n"
            f"    pixels, graph_macs, {steps}, exits,\n"
            f"    {', '.join(f'{value}u' for value in fields)},\n"
            "    DDI_STEPS, DDI_EXITS, DDI_LABELS, DDI_IMAGE_CHANNELS, "
            f"{plan.stem}, {int(plan.min_entropy)}}};\n")


def _ops_header(operations):
    calls = "".join(
        f"    if (resolver.{tflm_ops.ADD_METHODS[name]}() != kTfLiteOk) {{\n"
        "        return kTfLiteError;\n    }\n" for name in operations)
    return f"""\
{_MADE}#ifndef DDI_OPS_H_
#define DDI_OPS_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

/* The operations of all graphs; C++. */
#define DDI_OPS {len(operations)}
typedef tflite::MicroMutableOpResolver<DDI_OPS> ddi_resolver;

static inline TfLiteStatus ddi_add_ops(ddi_resolver &resolver)
{{
{calls}    return kTfLiteOk;
}}

#endif
"""


def _readme(bundle, plan, arena_bytes):
    template = string.Template(
        (SOURCES / _README).read_text(encoding="utf-8"))
    points = list(_point_names(plan))
    preferred = "DEFAULT" if "DEFAULT" in points else next(iter(points), None)
    return template.substitute(
        checksum=bundle.checksum, graphs=len(bundle.graphs),
        graph_bytes=f"{graph_bytes(bundle):,}", arena_bytes=f"{arena_bytes:,}",
        work_bytes=f"{plan.work_bytes:,}",
        thresholds=f"ddi_thresholds[DDI_POINT_{preferred}]" if preferred
        else "NULL")


def _header(name, text, includes=""):
    """A C header that C++ may include."""
    guard = name.upper().replace(".", "_") + "_"
    return (f"{_MADE}#ifndef {guard}\n#define {guard}\n\n{includes}"
            f'#ifdef __cplusplus\nextern "C" {{\n#endif\n\n{text}\n'
            "#ifdef __cplusplus\n}\n#endif\n\n#endif\n")


def _point_names(plan):
    """Of the operating points, as they can stand in a C name; all different."""
    taken = set()
    for name, _ in plan.points:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
        while plain in taken:
            plain += "_"
        taken.add(plain)
        yield plain


def _byte_lines(content):
    return "\n".join(
        ",".join(map(str, content[start:start + _BYTES_PER_LINE])) + ","
        for start in range(0, len(content), _BYTES_PER_LINE))


def _rows(values):
    return "".join(f"    {value},\n" for value in values)


def _real(value):
    """A number as a C float, which reads back as the same float32."""
    text = f"{np.float32(value):.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def _text(label):
    """A C string; other than plain ASCII in octal, three digits each."""
    return '"' + "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?'
        else f"\\{byte:03o}" for byte in label.encode()) + '"'


def _comment(name):
    """A name that cannot end a C comment."""
    return re.sub(r"[^\w .-]", "_", name, flags=re.ASCII)
