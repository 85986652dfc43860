/* Dual Dynamic Inference on a microcontroller: runs what the gates ask for.
 *
 * The walk of device/controller.py in C99. No heap; the only floating point is
 * that of the gates' probabilities and of a softmax's entropy. The graphs are
 * run by a callback, so this file knows no interpreter.
 */
#ifndef DDI_CONTROLLER_H_
#define DDI_CONTROLLER_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DDI_NONE (-1)    /* no such graph, or no such exit */
#define DDI_OFF (-1.0f)  /* threshold of an exit that is not used */

/* What ddi_classify returns. */
#define DDI_OK 0
#define DDI_ERROR_BUDGET (-1)  /* max_macs is below plan->cheapest_macs */
#define DDI_ERROR_GRAPH (-2)   /* the callback returned something else than 0 */

/* Channel groups of a block; bit g is group g. 0 of a block: it was skipped. */
typedef uint64_t ddi_groups;

typedef struct {
    const void *data; /* 4-byte aligned, as the .tflite file has the tensor */
    uint32_t bytes;
} ddi_input;

typedef struct {
    void *data; /* 4-byte aligned */
    uint32_t bytes;
} ddi_output;

/* Runs graph number `graph`, ddi_graphs[graph] of ddi_graphs.h.
 *
 * Inputs and outputs come in the order of the .tflite file. An output may lie
 * where an input does: read all inputs before an output is written. TFLite
 * Micro does so, since its tensors lie in its own arena.
 *
 * Returns 0; anything else ends ddi_classify with DDI_ERROR_GRAPH.
 */
typedef int (*ddi_run_graph)(
    void *user, int graph, const ddi_input *inputs, int input_count,
    const ddi_output *outputs, int output_count);

/* One way to run a block. */
typedef struct {
    ddi_groups groups;    /* that it computes */
    uint32_t macs;
    int16_t graph;
    uint8_t masked;       /* takes a mask, so may run fewer of them */
    int8_t closed, open;  /* a closed and an open group in that mask */
} ddi_variant;

/* One block and the decisions round it, in the order they are taken. */
typedef struct {
    ddi_groups settled;     /* that run where no gate chooses channels; in any
                               case in a block that cannot be skipped */
    const ddi_variant *variants; /* NULL where it never runs */
    uint32_t feature_bytes; /* of what it leaves */
    uint32_t ask_macs;      /* both gates and the least that may follow them */
    uint32_t reserve_macs;  /* to keep for the way to an answer behind it */
    uint32_t onward_macs;   /* cheapest way to the answer after its exit */
    int16_t layer_gate;     /* graph, or DDI_NONE */
    int16_t channel_gate;   /* graph, or DDI_NONE */
    int16_t skip;           /* graph run instead; DDI_NONE: features go on */
    int16_t exit;           /* place in plan->exits, or DDI_NONE */
    uint16_t appended;      /* channels that its graphs leave, which stand
                               behind those it received; 0: they replace them */
    uint8_t groups;
    uint8_t variant_count;
    uint8_t skippable;
    int8_t zero;            /* what stands for 0 in appended channels */
} ddi_step;

/* An early exit, or the head. */
typedef struct {
    float scale;    /* of its int8 logits */
    int16_t graph;
} ddi_exit;

/* What ddi_classify walks; ddi_plan.c holds the one of a bundle. */
typedef struct {
    const int8_t *pixels;        /* [channels][256]: as the stem takes them */
    const uint32_t *graph_macs;  /* by graph */
    const ddi_step *steps;
    const ddi_exit *exits;       /* early ones in their order, then the head */
    uint32_t image_bytes;
    uint32_t stem_bytes;         /* of the features that the stem leaves */
    uint32_t cheapest_macs;      /* the smallest budget that gets an answer */
    uint32_t layer_state_bytes;    /* of recurrent layer gates, else 0 */
    uint32_t channel_state_bytes;  /* of recurrent channel gates, else 0 */
    uint16_t scratch_at;         /* in the work memory, in floats */
    uint16_t features_at;        /* in the work memory, in floats */
    uint16_t step_count;
    uint16_t exit_count;         /* early exits, without the head */
    uint16_t label_count;
    uint16_t channels;
    int16_t stem;
    uint8_t min_entropy;         /* whether thresholds bound -log max p, else
                                    -sum p log p */
} ddi_plan;

/* What came out for one image. */
typedef struct {
    int label;             /* index into ddi_labels */
    int exit;              /* that answered; plan->exit_count is the head */
    float entropy;         /* of the softmax, nats; see ddi_plan */
    float probability;     /* of the label */
    uint32_t macs;         /* everything executed, gates and exits included */
    int steps;             /* blocks passed */
    ddi_groups *path;      /* yours: room for DDI_STEPS, or NULL; of each
                              block passed, the groups that ran */
    const int8_t *logits;  /* [label_count], in the work memory */
} ddi_answer;

/* Classifies one image.
 *
 * plan        &ddi_bundle_plan
 * image       plan->image_bytes of uint8, rows of RGB pixels; NULL: the stem's
 *             int8 input already lies at ddi_features(plan, work)
 * thresholds  entropy in nats per early exit, DDI_OFF for one that is not used:
 *             a row of ddi_thresholds. NULL: all off
 * max_macs    hard budget: the answer's macs never pass it; 0: none
 * work        DDI_WORK_FLOATS floats, for the time of the call and as long as
 *             the answer's logits are needed
 * run, user   the callback and its first argument
 * answer      path must be set by the caller, the rest is written
 *
 * Returns DDI_OK or an error; after an error only answer->macs is of use.
 */
int ddi_classify(const ddi_plan *plan, const uint8_t *image,
                 const float *thresholds, uint32_t max_macs, float *work,
                 ddi_run_graph run, void *user, ddi_answer *answer);

/* Where in the work memory images and features lie. */
int8_t *ddi_features(const ddi_plan *plan, float *work);

#ifdef __cplusplus
}
#endif

#endif
