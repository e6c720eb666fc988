// Written by docs/playground_spec.py: do not edit.
window.KERAS_LR_SPEC = {
 "version": "0.1.0",
 "classes": {
  "Bound": {
   "summary": "A schedule with its epochs and fractions turned into steps: what `bind` returns.",
   "module": "combine",
   "words": "{in_steps}, in {epochs:epochs} of {steps_per_epoch:steps}",
   "ends": true,
   "example": "Bound(CosineDecay(0.1, 1000), 100, 10)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "a schedule with durations in epochs or fractions"
    },
    {
     "name": "steps_per_epoch",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": false
     },
     "help": "batches in an epoch"
    },
    {
     "name": "epochs",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": false
     },
     "help": "epochs of the training"
    }
   ]
  },
  "Chain": {
   "summary": "Schedules one after another, each for its own duration: what ``a >> b`` makes.",
   "module": "combine",
   "words": "{schedules:then}",
   "ends": true,
   "example": "Chain([LinearDecay(0.1, 500, end_learning_rate=0.05), CosineDecay(0.05, 500)])",
   "arguments": [
    {
     "name": "schedules",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of learning-rate schedules or learning rates",
      "item": {
       "type": "Inner",
       "allowed": "a learning-rate schedule or a learning rate",
       "rate": {
        "type": "Real",
        "allowed": "a finite learning rate >= 0",
        "low": 0.0,
        "openLow": false
       }
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the parts; all but the last have an end (`duration`)"
    }
   ]
  },
  "Clip": {
   "summary": "Another schedule held between two rates: what `clip` makes.",
   "module": "modify",
   "words": "{schedule}<, at least {low}><, at most {high}>",
   "ends": true,
   "example": "Clip(CosineDecay(0.1, 1000), low=0.02, high=0.08)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the schedule"
    },
    {
     "name": "low",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "lowest rate",
     "default": 0.0
    },
    {
     "name": "high",
     "kind": {
      "type": "Optional",
      "allowed": "a finite learning rate >= 0, or None",
      "kind": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "highest rate, at least `low`; no limit when None",
     "default": null
    }
   ]
  },
  "Constant": {
   "summary": "A flat line: the same rate at every step.",
   "module": "stepwise",
   "words": "a constant {learning_rate}",
   "ends": false,
   "example": "Constant(0.05)",
   "arguments": [
    {
     "name": "learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the rate, >= 0"
    }
   ]
  },
  "Cooldown": {
   "summary": "Another schedule until a step, and from its rate there down to an end rate.",
   "module": "combine",
   "words": "{schedule}, left after {at:steps} for a {shape} fall to {end_learning_rate} over {steps:steps}",
   "ends": true,
   "example": "Cooldown(CosineDecay(0.1, 1000), 600, 200)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "a schedule or a constant rate"
    },
    {
     "name": "at",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": true
     },
     "help": "step at which it is left"
    },
    {
     "name": "steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the fall"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate from at + steps on",
     "default": 0.0
    },
    {
     "name": "shape",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'linear', 'cosine', 'sqrt', 'exponential'",
      "choices": [
       "linear",
       "cosine",
       "sqrt",
       "exponential"
      ]
     },
     "help": "\"linear\", \"cosine\", \"sqrt\" or \"exponential\"",
     "default": "linear"
    }
   ]
  },
  "CosineDecay": {
   "summary": "Half a cosine from the peak to a floor, then flat; with a linear warmup before it if wished.",
   "module": "decay",
   "words": "<a linear warmup over {warmup_steps:steps} from {initial_learning_rate}, then >a cosine from {_peak} to {_floor} over {decay_steps:steps}",
   "ends": true,
   "example": "CosineDecay(0.1, 1000)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the fall, not counting the warmup"
    },
    {
     "name": "alpha",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "the floor as a fraction of the peak, in [0, 1]",
     "default": 0.0
    },
    {
     "name": "warmup_target",
     "kind": {
      "type": "Optional",
      "allowed": "a finite learning rate >= 0, or None",
      "kind": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the peak at the end of the warmup; no warmup when None",
     "default": null
    },
    {
     "name": "warmup_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the warmup",
     "default": 0
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature, by keyword",
     "default": null
    }
   ]
  },
  "CosineDecayRestarts": {
   "summary": "Half cosines from the peak to a floor, again and again, each longer and lower than the last.",
   "module": "cyclical",
   "words": "cosines from {initial_learning_rate} to {_floor}, the first over {first_decay_steps:steps}, each {t_mul:times} long and {m_mul:times} high as the one before",
   "ends": false,
   "example": "CosineDecayRestarts(0.1, 150, m_mul=0.8)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "first_decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the first cycle"
    },
    {
     "name": "t_mul",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "length of a cycle relative to the one before, > 0. Below 1 the cycles shrink to nothing after first_decay_steps/(1 − t_mul) steps; the floor holds from there on",
     "default": 2.0
    },
    {
     "name": "m_mul",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "height of a cycle relative to the one before, in (0, 1]",
     "default": 1.0
    },
    {
     "name": "alpha",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "the floor as a fraction of the initial rate, in [0, 1]",
     "default": 0.0
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature",
     "default": null
    }
   ]
  },
  "CyclicalLearningRate": {
   "summary": "A zigzag between two rates, of constant, halving or shrinking height.",
   "module": "cyclical",
   "words": "cycles ({mode}) between {initial_learning_rate} and {maximal_learning_rate}, {step_size:steps} up and {_down:steps} down<, their height multiplied by {gamma} every step>",
   "ends": false,
   "example": "CyclicalLearningRate(0.01, 0.1, 100)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the lower rate, at step 0"
    },
    {
     "name": "maximal_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the upper rate, at least the lower one"
    },
    {
     "name": "step_size",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the rise"
    },
    {
     "name": "step_size_down",
     "kind": {
      "type": "Optional",
      "allowed": "a whole number of steps in [1, 2**31), or None",
      "kind": {
       "type": "Whole",
       "allowed": "a whole number of steps in [1, 2**31)",
       "low": 1,
       "high": 2147483648,
       "steps": true
      }
     },
     "help": "steps of the fall; as the rise when None",
     "default": null
    },
    {
     "name": "mode",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'triangular', 'triangular2', 'exp_range'",
      "choices": [
       "triangular",
       "triangular2",
       "exp_range"
      ]
     },
     "help": "\"triangular\", \"triangular2\" or \"exp_range\"",
     "default": "triangular"
    },
    {
     "name": "gamma",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "shrinking per step for \"exp_range\", in (0, 1]",
     "default": 1.0
    }
   ]
  },
  "ExponentialDecay": {
   "summary": "A straight line on a log scale: multiplied by `decay_rate` over each `decay_steps`.",
   "module": "decay",
   "words": "an exponential fall from {initial_learning_rate} by a factor of {decay_rate} every {decay_steps:steps}{staircase:, in stairs}",
   "ends": false,
   "example": "ExponentialDecay(0.1, 250, 0.5)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps over which the rate falls by the factor `decay_rate`"
    },
    {
     "name": "decay_rate",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "the factor, in (0, 1]"
    },
    {
     "name": "staircase",
     "kind": {
      "type": "Flag",
      "allowed": "True or False"
     },
     "help": "fall in stairs instead of continuously",
     "default": false
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature",
     "default": null
    }
   ]
  },
  "InverseSquareRootDecay": {
   "summary": "A linear warmup, then a fall with the inverse square root of the step, without an end.",
   "module": "shaped",
   "words": "a linear warmup from 0 to {learning_rate} over {warmup_steps:steps}, then a fall with the inverse square root of the step",
   "ends": false,
   "example": "InverseSquareRootDecay(0.1, 100)",
   "arguments": [
    {
     "name": "learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the peak, at step `warmup_steps`"
    },
    {
     "name": "warmup_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the warmup, which are also the time scale of the fall"
    }
   ]
  },
  "KDecay": {
   "summary": "A polynomial or cosine decay that holds its start longer, the more so the larger `k`.",
   "module": "shaped",
   "words": "a {shape} k-decay from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps} with k = {k}< and power {power}>",
   "ends": true,
   "example": "KDecay(0.1, 1000, 2.0)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps to the end rate"
    },
    {
     "name": "k",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "exponent of the time, > 0; 1 is the plain decay"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at the end and from there on, at most the initial one",
     "default": 0.0
    },
    {
     "name": "power",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "exponent of the polynomial, > 0",
     "default": 1.0
    },
    {
     "name": "shape",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'polynomial', 'cosine'",
      "choices": [
       "polynomial",
       "cosine"
      ]
     },
     "help": "\"polynomial\" or \"cosine\"",
     "default": "polynomial"
    }
   ]
  },
  "LinearDecay": {
   "summary": "A straight line from the initial to the end rate, then flat.",
   "module": "decay",
   "words": "a straight line from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}",
   "ends": true,
   "example": "LinearDecay(0.1, 1000)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps to the end rate"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate from there on, at most the initial one",
     "default": 0.0
    }
   ]
  },
  "MultiStepDecay": {
   "summary": "A staircase with stairs of any length: multiplied by `decay_rate` at each milestone.",
   "module": "stepwise",
   "words": "stairs down from {initial_learning_rate} by a factor of {decay_rate} after {milestones:steps}",
   "ends": false,
   "example": "MultiStepDecay(0.1, [300, 600, 900])",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate before the first milestone"
    },
    {
     "name": "milestones",
     "kind": {
      "type": "Several",
      "allowed": "a strictly increasing, non-empty sequence of whole numbers of steps in [0, 2**31)",
      "item": {
       "type": "Whole",
       "allowed": "a whole number of steps in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": true
      },
      "order": "lt",
      "atLeast": 1
     },
     "help": "strictly increasing steps"
    },
    {
     "name": "decay_rate",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "factor at each milestone, in (0, 1]",
     "default": 0.1
    }
   ]
  },
  "Noise": {
   "summary": "Another schedule with a random factor at each step, the same for the same seed.",
   "module": "modify",
   "words": "{schedule}, with random changes of up to {amplitude:%} (seed {seed})",
   "ends": true,
   "example": "Noise(CosineDecay(0.1, 1000), 0.3)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the schedule"
    },
    {
     "name": "amplitude",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "largest relative change, in [0, 1]"
    },
    {
     "name": "seed",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": false
     },
     "help": "another seed gives another noise",
     "default": 0
    }
   ]
  },
  "OneCycle": {
   "summary": "One rise to a high rate and one long fall far below the start, for short trainings.",
   "module": "recipes",
   "words": "one {anneal_strategy} cycle over {total_steps:steps}, from {_start} up to {max_learning_rate} in the first {pct_start:%} and down to {_end}{three_phase: in two phases}",
   "ends": true,
   "example": "OneCycle(0.1, 1000)",
   "arguments": [
    {
     "name": "max_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the peak"
    },
    {
     "name": "total_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "all steps of the training"
    },
    {
     "name": "pct_start",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "share of the rise, in [0, 1]; at most 1/2 with three phases",
     "default": 0.3
    },
    {
     "name": "anneal_strategy",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'cos', 'linear'",
      "choices": [
       "cos",
       "linear"
      ]
     },
     "help": "\"cos\" or \"linear\"",
     "default": "cos"
    },
    {
     "name": "div_factor",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "peak / start, > 0",
     "default": 25.0
    },
    {
     "name": "final_div_factor",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "start / end, > 0",
     "default": 10000.0
    },
    {
     "name": "three_phase",
     "kind": {
      "type": "Flag",
      "allowed": "True or False"
     },
     "help": "fall in two phases",
     "default": false
    }
   ]
  },
  "OppositePhase": {
   "summary": "A momentum that is low where the rate of a cycle is high: what `momentum` of a cycle makes.",
   "module": "cyclical",
   "words": "{high} down to {low} and back, in the opposite phase to {schedule}",
   "ends": true,
   "example": "OppositePhase(OneCycle(0.1, 1000), 0.85, 0.95)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "a `OneCycle` or `CyclicalLearningRate`"
    },
    {
     "name": "low",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1)",
      "low": 0.0,
      "high": 0.9999999999999999,
      "openLow": false
     },
     "help": "value at the peak of the rate, in [0, 1)"
    },
    {
     "name": "high",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1)",
      "low": 0.0,
      "high": 0.9999999999999999,
      "openLow": false
     },
     "help": "value at its bottom, in [low, 1)"
    }
   ]
  },
  "Paced": {
   "summary": "Another schedule on a clock that changes its pace: what a time budget installs.",
   "module": "pace",
   "words": "{schedule}, on the clock of a time budget",
   "ends": false,
   "example": "Paced(CosineDecay(0.1, 1000), [0, 400], [0, 400], [1, 3], [1, 2])",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the schedule, in ticks"
    },
    {
     "name": "steps",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of whole numbers in [0, 2**31)",
      "item": {
       "type": "Whole",
       "allowed": "a whole number in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "steps at which a pace begins; the first is 0"
    },
    {
     "name": "ticks",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of whole numbers in [0, 2**31)",
      "item": {
       "type": "Whole",
       "allowed": "a whole number in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the clock at these steps"
    },
    {
     "name": "numerators",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of whole numbers in [1, 46340]",
      "item": {
       "type": "Whole",
       "allowed": "a whole number in [1, 46340]",
       "low": 1,
       "high": 46341,
       "steps": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "ticks of a piece for each `denominators` steps of it, in [1, 46340]"
    },
    {
     "name": "denominators",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of whole numbers in [1, 46340]",
      "item": {
       "type": "Whole",
       "allowed": "a whole number in [1, 46340]",
       "low": 1,
       "high": 46341,
       "steps": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "see there"
    }
   ]
  },
  "PerUpdate": {
   "summary": "A schedule written in optimizer updates, for an optimizer that accumulates gradients.",
   "module": "modify",
   "words": "{schedule}, counted in updates of {accumulation_steps} batches",
   "ends": true,
   "example": "PerUpdate(CosineDecay(0.1, 250), 4)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "a schedule in updates"
    },
    {
     "name": "accumulation_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": false
     },
     "help": "the optimizer's `gradient_accumulation_steps`"
    }
   ]
  },
  "PiecewiseConstantDecay": {
   "summary": "Given rates between given boundaries.",
   "module": "stepwise",
   "words": "pieces of {values} that change after {boundaries:at}",
   "ends": false,
   "example": "PiecewiseConstantDecay([300, 700], [0.1, 0.03, 0.01])",
   "arguments": [
    {
     "name": "boundaries",
     "kind": {
      "type": "Several",
      "allowed": "a strictly increasing, non-empty sequence of whole numbers of steps in [0, 2**31)",
      "item": {
       "type": "Whole",
       "allowed": "a whole number of steps in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": true
      },
      "order": "lt",
      "atLeast": 1
     },
     "help": "strictly increasing steps"
    },
    {
     "name": "values",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of finite learning rates >= 0",
      "item": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the rates, one more than boundaries"
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature",
     "default": null
    }
   ]
  },
  "PiecewiseInterpolation": {
   "summary": "A line through given points: from rate to rate, straight or in half cosines.",
   "module": "stepwise",
   "words": "{shape} pieces through {values} at {boundaries:at}",
   "ends": true,
   "example": "PiecewiseInterpolation([0, 200, 1000], [0.02, 0.1, 0.0])",
   "arguments": [
    {
     "name": "boundaries",
     "kind": {
      "type": "Several",
      "allowed": "a strictly increasing, non-empty sequence of whole numbers of steps in [0, 2**31)",
      "item": {
       "type": "Whole",
       "allowed": "a whole number of steps in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": true
      },
      "order": "lt",
      "atLeast": 1
     },
     "help": "strictly increasing steps"
    },
    {
     "name": "values",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of finite learning rates >= 0",
      "item": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the rates at them, as many as boundaries"
    },
    {
     "name": "shape",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'linear', 'cosine'",
      "choices": [
       "linear",
       "cosine"
      ]
     },
     "help": "\"linear\" or \"cosine\"",
     "default": "linear"
    }
   ]
  },
  "PolynomialDecay": {
   "summary": "A power of the time that remains, from the initial to the end rate, then flat.",
   "module": "decay",
   "words": "a polynomial fall of power {power} from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}{cycle:, then up again for a longer one}",
   "ends": true,
   "example": "PolynomialDecay(0.1, 1000, power=2.0)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps to the end rate"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate from there on, at most the initial one",
     "default": 0.0001
    },
    {
     "name": "power",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "exponent, > 0",
     "default": 1.0
    },
    {
     "name": "cycle",
     "kind": {
      "type": "Flag",
      "allowed": "True or False"
     },
     "help": "begin again after the end",
     "default": false
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature",
     "default": null
    }
   ]
  },
  "PowerLawDecay": {
   "summary": "Flat for `hold_steps`, then a power of the step, without an end.",
   "module": "shaped",
   "words": "{learning_rate} for {hold_steps:steps}, then a fall with the power -{exponent} of the step",
   "ends": false,
   "example": "PowerLawDecay(0.1, 100)",
   "arguments": [
    {
     "name": "learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the rate of the flat part"
    },
    {
     "name": "hold_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the flat part"
    },
    {
     "name": "exponent",
     "kind": {
      "type": "Real",
      "allowed": "a finite number > 0",
      "low": 0.0,
      "openLow": true
     },
     "help": "b, > 0; 0.5 is an inverse square root",
     "default": 0.51
    }
   ]
  },
  "Product": {
   "summary": "Schedules multiplied, and a number: what ``a * b`` and ``2 * a`` make.",
   "module": "modify",
   "words": "{schedules:times}<, times {factor}>",
   "ends": true,
   "example": "Product([CosineDecay(0.1, 1000)], factor=0.5)",
   "arguments": [
    {
     "name": "schedules",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of learning-rate schedules or learning rates",
      "item": {
       "type": "Inner",
       "allowed": "a learning-rate schedule or a learning rate",
       "rate": {
        "type": "Real",
        "allowed": "a finite learning rate >= 0",
        "low": 0.0,
        "openLow": false
       }
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the factors that depend on the step"
    },
    {
     "name": "factor",
     "kind": {
      "type": "Real",
      "allowed": "a finite number >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the one that does not, >= 0",
     "default": 1.0
    }
   ]
  },
  "REXDecay": {
   "summary": "A curve that stays high and falls ever faster towards its end (\"reflected exponential\").",
   "module": "shaped",
   "words": "a REX curve from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}",
   "ends": true,
   "example": "REXDecay(0.1, 1000)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps to the end rate"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate from there on, at most the initial one",
     "default": 0.0
    }
   ]
  },
  "Reduced": {
   "summary": "Another schedule scaled down, but not below a floor: what `ReduceOnPlateau` installs.",
   "module": "modify",
   "words": "{schedule}, reduced to {scale:%}< but not below {min_lr}>",
   "ends": true,
   "example": "Reduced(CosineDecay(0.1, 1000), 0.5, min_lr=0.01)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the schedule underneath"
    },
    {
     "name": "scale",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "factor, in [0, 1]"
    },
    {
     "name": "min_lr",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate below which nothing is scaled",
     "default": 0.0
    }
   ]
  },
  "Repeat": {
   "summary": "Another schedule again and again, each time scaled down by a factor.",
   "module": "modify",
   "words": "{schedule}, again every {every:steps}<, each time multiplied by {factor}>",
   "ends": false,
   "example": "Repeat(LinearDecay(0.1, 250), 250, factor=0.7)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "what is repeated"
    },
    {
     "name": "every",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of one repetition"
    },
    {
     "name": "factor",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "scale of a repetition relative to the one before, in (0, 1]",
     "default": 1.0
    }
   ]
  },
  "Sequential": {
   "summary": "One schedule after another, each from its own step 0, at given boundaries.",
   "module": "combine",
   "words": "{schedules:then}<, changing at {boundaries:at}>",
   "ends": true,
   "example": "Sequential([LinearDecay(0.1, 500, end_learning_rate=0.05), CosineDecay(0.03, 400)], [400])",
   "arguments": [
    {
     "name": "schedules",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of learning-rate schedules or learning rates",
      "item": {
       "type": "Inner",
       "allowed": "a learning-rate schedule or a learning rate",
       "rate": {
        "type": "Real",
        "allowed": "a finite learning rate >= 0",
        "low": 0.0,
        "openLow": false
       }
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the parts: schedules or constant rates"
    },
    {
     "name": "boundaries",
     "kind": {
      "type": "Several",
      "allowed": "a sequence of whole numbers of steps in [0, 2**31), none smaller than the one before",
      "item": {
       "type": "Whole",
       "allowed": "a whole number of steps in [0, 2**31)",
       "low": 0,
       "high": 2147483648,
       "steps": true
      },
      "order": "le",
      "atLeast": 0
     },
     "help": "steps at which the next part begins, one fewer than parts, none smaller than the one before"
    }
   ]
  },
  "Shifted": {
   "summary": "Another schedule some steps on, or back: what `from_step` makes.",
   "module": "modify",
   "words": "{schedule}, begun at its step {steps}",
   "ends": true,
   "example": "Shifted(CosineDecay(0.1, 1000), 200)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "the schedule"
    },
    {
     "name": "steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in (-2**31, 2**31)",
      "low": -2147483647,
      "high": 2147483648,
      "steps": true
     },
     "help": "how many steps on; negative for back, where it waits at its step 0"
    }
   ]
  },
  "SinusoidalLearningRate": {
   "summary": "A smooth wave between two rates.",
   "module": "cyclical",
   "words": "waves between {initial_learning_rate} and {maximal_learning_rate}, {step_size:steps} from one to the other",
   "ends": false,
   "example": "SinusoidalLearningRate(0.01, 0.1, 100)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the lower rate, at step 0"
    },
    {
     "name": "maximal_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the upper rate, at least the lower one"
    },
    {
     "name": "step_size",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of a rise, half a cycle"
    }
   ]
  },
  "StepDecay": {
   "summary": "A staircase: the rate is multiplied by `decay_rate` every `decay_steps` steps.",
   "module": "stepwise",
   "words": "stairs down from {initial_learning_rate} by a factor of {decay_rate} every {decay_steps:steps}",
   "ends": false,
   "example": "StepDecay(0.1, 250)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "length of a stair, in steps (one step is one batch)"
    },
    {
     "name": "decay_rate",
     "kind": {
      "type": "Real",
      "allowed": "a number in (0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": true
     },
     "help": "factor between stairs, in (0, 1]",
     "default": 0.5
    }
   ]
  },
  "Sum": {
   "summary": "Schedules added: what ``a + b`` makes; a number is a constant rate.",
   "module": "modify",
   "words": "{schedules:plus}",
   "ends": true,
   "example": "Sum([CosineDecay(0.1, 1000), Constant(0.01)])",
   "arguments": [
    {
     "name": "schedules",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of learning-rate schedules or learning rates",
      "item": {
       "type": "Inner",
       "allowed": "a learning-rate schedule or a learning rate",
       "rate": {
        "type": "Real",
        "allowed": "a finite learning rate >= 0",
        "low": 0.0,
        "openLow": false
       }
      },
      "order": null,
      "atLeast": 1
     },
     "help": "what is added"
    }
   ]
  },
  "Tabulated": {
   "summary": "Rates from a table, one for each step; the last one holds from there on.",
   "module": "stepwise",
   "words": "",
   "ends": true,
   "example": "Tabulated([0.1, 0.08, 0.02, 0.05, 0.01])",
   "arguments": [
    {
     "name": "values",
     "kind": {
      "type": "Several",
      "allowed": "a non-empty sequence of finite learning rates >= 0",
      "item": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      },
      "order": null,
      "atLeast": 1
     },
     "help": "the rates of steps 0, 1, 2, …"
    }
   ]
  },
  "TanhDecay": {
   "summary": "An S-curve with a long flat start and a steep middle: a hyperbolic tangent.",
   "module": "shaped",
   "words": "a tanh curve from {initial_learning_rate} to {end_learning_rate} over {decay_steps:steps}, from tanh {lower} to tanh {upper}",
   "ends": true,
   "example": "TanhDecay(0.1, 1000)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the upper rate"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the fall"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "the lower rate, at most the initial one",
     "default": 0.0
    },
    {
     "name": "lower",
     "kind": {
      "type": "Real",
      "allowed": "a finite number",
      "openLow": false
     },
     "help": "argument of tanh at step 0",
     "default": -6.0
    },
    {
     "name": "upper",
     "kind": {
      "type": "Real",
      "allowed": "a finite number",
      "openLow": false
     },
     "help": "argument of tanh at the end, above `lower`",
     "default": 3.0
    }
   ]
  },
  "TimeBasedDecay": {
   "summary": "A hyperbola: fast at first, then slower and slower, never zero.",
   "module": "decay",
   "words": "a hyperbola from {initial_learning_rate}, divided by 1 plus {decay_rate} for every {decay_steps:steps}{staircase:, in stairs}",
   "ends": false,
   "example": "TimeBasedDecay(0.1, 100, 0.5)",
   "arguments": [
    {
     "name": "initial_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate at step 0"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "the unit of time, in steps"
    },
    {
     "name": "decay_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite number >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "what the denominator grows by in that time, >= 0"
    },
    {
     "name": "staircase",
     "kind": {
      "type": "Flag",
      "allowed": "True or False"
     },
     "help": "count whole units only",
     "default": false
    },
    {
     "name": "name",
     "kind": {
      "type": "Optional",
      "allowed": "a string, or None",
      "kind": {
       "type": "Text",
       "allowed": "a string"
      }
     },
     "help": "kept for Keras's signature",
     "default": null
    }
   ]
  },
  "Warmup": {
   "summary": "A rise to the first rate of another schedule, which then runs from its own step 0.",
   "module": "combine",
   "words": "a {shape} warmup from {start:%} over {warmup_steps:steps}, then {schedule}",
   "ends": true,
   "example": "Warmup(CosineDecay(0.1, 1000), 100)",
   "arguments": [
    {
     "name": "schedule",
     "kind": {
      "type": "Inner",
      "allowed": "a learning-rate schedule or a learning rate",
      "rate": {
       "type": "Real",
       "allowed": "a finite learning rate >= 0",
       "low": 0.0,
       "openLow": false
      }
     },
     "help": "what follows: a schedule (ours, Keras's, your own), or a constant rate"
    },
    {
     "name": "warmup_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the rise; 0 for none"
    },
    {
     "name": "start",
     "kind": {
      "type": "Real",
      "allowed": "a number in [0, 1]",
      "low": 0.0,
      "high": 1.0,
      "openLow": false
     },
     "help": "where it begins, as a fraction of `schedule(0)`, in [0, 1]. With 0 the first update does not move the weights",
     "default": 0.0
    },
    {
     "name": "shape",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'linear', 'cosine', 'exponential'",
      "choices": [
       "linear",
       "cosine",
       "exponential"
      ]
     },
     "help": "\"linear\", \"cosine\" or \"exponential\"",
     "default": "linear"
    }
   ]
  },
  "WarmupStableDecay": {
   "summary": "A trapezoid: a linear warmup from 0, a long flat part, and a fall at the very end.",
   "module": "recipes",
   "words": "<a linear warmup over {warmup_steps:steps} from 0, then >{learning_rate}<, over the last {decay_steps:steps} a {shape} fall to {end_learning_rate}> ({total_steps:steps} in all)",
   "ends": true,
   "example": "WarmupStableDecay(0.1, 1000, 100, 250)",
   "arguments": [
    {
     "name": "learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate of the flat part"
    },
    {
     "name": "total_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [1, 2**31)",
      "low": 1,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of all three parts"
    },
    {
     "name": "warmup_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the warmup"
    },
    {
     "name": "decay_steps",
     "kind": {
      "type": "Whole",
      "allowed": "a whole number of steps in [0, 2**31)",
      "low": 0,
      "high": 2147483648,
      "steps": true
     },
     "help": "steps of the fall"
    },
    {
     "name": "end_learning_rate",
     "kind": {
      "type": "Real",
      "allowed": "a finite learning rate >= 0",
      "low": 0.0,
      "openLow": false
     },
     "help": "rate after the last step, at most `learning_rate`",
     "default": 0.0
    },
    {
     "name": "shape",
     "kind": {
      "type": "OneOf",
      "allowed": "one of 'linear', 'cosine', 'sqrt', 'exponential'",
      "choices": [
       "linear",
       "cosine",
       "sqrt",
       "exponential"
      ]
     },
     "help": "\"linear\", \"cosine\", \"sqrt\" or \"exponential\"",
     "default": "linear"
    }
   ]
  }
 },
 "momentum": {
  "CyclicalLearningRate": {
   "low": 0.8,
   "high": 0.9
  },
  "OneCycle": {
   "low": 0.85,
   "high": 0.95
  }
 },
 "leftOut": {}
};
