/* The embedded default model and its evaluation text, as they lie in datasets/. */
    .section .rodata
    .balign 64
    .global default_model, default_model_end, default_text, default_text_end
default_model:
    .incbin "datasets/models/default.gguf"
default_model_end:
    .balign 64
default_text:
    .incbin "datasets/text/eval.txt"
default_text_end:
    .byte 0
    .global fleet_slurm, fleet_slurm_end, fleet_parallel, fleet_parallel_end, fleet_run_cell_sh, fleet_run_cell_sh_end
fleet_slurm:
    .incbin "cli/fleet/slurm.sh"
fleet_slurm_end:
fleet_parallel:
    .incbin "cli/fleet/parallel.sh"
fleet_parallel_end:
fleet_run_cell_sh:
    .incbin "cli/fleet/run-cell.sh"
fleet_run_cell_sh_end:
    .section .note.GNU-stack, "", %progbits
